"""Publishing to an unreachable broker; `connections` has reachable ones."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from breakwall.broker.publisher import Publisher
from breakwall.settings import load_settings
from tests.integration.broker.unreachable import SCHEMES, silent_port
from tests.integration.publish_fixtures import (
    IN_TIME,
    assert_fails_in_time,
    cold_publisher,
)

__all__ = ["silent_port"]


@IN_TIME
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse when the queue is full")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_broker_whose_packets_are_lost_costs_under_a_second(scheme: str, silent_port: int) -> None:
    publisher = cold_publisher(scheme.format(port=silent_port))
    assert_fails_in_time(lambda: publisher.publish_many(["order-1"]))


@IN_TIME
@pytest.mark.parametrize("scheme", [*SCHEMES, "rediss://127.0.0.1:{port}/0", "amqps://127.0.0.1:{port}//"])
def test_a_broker_that_connects_and_is_silent_costs_under_a_second(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        publisher = cold_publisher(scheme.format(port=mute.getsockname()[1]))
        assert_fails_in_time(lambda: publisher.publish_many(["order-1"]))


FIRST_PUBLISH = """
import sys
from breakwall.settings import load_settings
from producers import OrderProducer
settings = load_settings({"BREAKWALL_DATA_DIR": sys.argv[1], "BREAKWALL_BROKER_URL": sys.argv[2]})
producer = OrderProducer.from_settings(settings)
before = set(sys.modules)
assert not producer._publisher.publish_many(["order-1"])
print(*sorted(name for name in set(sys.modules) - before if name.split(".")[0] in {"amqp", "celery", "kombu", "redis"}))
"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_first_publish_of_a_producer_has_nothing_to_import(scheme: str, tmp_path: Path) -> None:
    """From a cold disk, that alone can take more than a second."""
    broker = scheme.format(port=1)
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_PUBLISH, str(tmp_path), broker],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == []


@IN_TIME
def test_an_embedded_broker_that_no_worker_runs_costs_milliseconds(tmp_path: object) -> None:
    publisher = Publisher(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path)}))
    publisher.prepare()
    assert_fails_in_time(lambda: publisher.publish_many(["order-1"]), 0.1)
