"""The embedded broker with real processes: one server for all, which ends with the last one."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from breakwall.broker.depth import queue_depth
from breakwall.broker.embedded.broker import EmbeddedBroker, start_embedded_broker
from breakwall.settings import Settings, load_settings
from tests.integration.broker.embedded.workers import Worker, servers, wait_for
from tests.integration.publish_fixtures import depth_of, publish_each
from tests.servers.processes import wait_until_none_is_left
from tests.stopwatch import Stopwatch


def test_it_serves_orders_on_a_socket_that_only_its_user_can_open(
    broker: EmbeddedBroker, settings: Settings
) -> None:
    publish_each(settings, ["a", "b"])
    assert depth_of(settings) == 2
    assert stat.S_IMODE(settings.broker_socket.stat().st_mode) == 0o700


def test_stopping_it_leaves_nothing_running(broker: EmbeddedBroker, home: Path) -> None:
    broker.stop()
    broker.stop()
    assert servers(home) == []
    assert not (home / "broker.sock").exists()


def test_what_was_published_is_there_after_a_stop_and_a_start(
    broker: EmbeddedBroker, settings: Settings
) -> None:
    publish_each(settings, ["a", "b", "c"])
    broker.stop()
    broker.ensure()
    assert depth_of(settings) == 3


def test_processes_that_start_it_at_the_same_moment_get_one_server(
    home: Path, start_worker: Callable[..., Worker]
) -> None:
    workers = [start_worker(go=False) for _ in range(6)]
    for worker in workers:
        worker.go()
    assert sorted(worker.role() for worker in workers) == ["guest"] * 5 + ["owner"]
    assert len(servers(home)) == 1


def test_nothing_is_left_when_the_only_worker_is_killed(
    home: Path, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker()
    assert len(servers(home)) == 1
    worker.kill()
    assert wait_until_none_is_left(home, 60) == []


def test_another_worker_takes_over_within_a_second_when_the_owner_is_killed(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    owner, _guest = start_worker(), start_worker()
    publish_each(settings, ["a", "b", "c"])
    before = servers(home)
    owner.kill()
    watch = Stopwatch(processes=True)
    assert wait_for(lambda: queue_depth(settings) == 3 and servers(home) != before, 60)
    assert watch.seconds < 1.5
    assert len(servers(home)) == 1


def test_another_worker_takes_over_when_the_owner_ends_normally(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    owner, guest = start_worker(), start_worker()
    publish_each(settings, ["a"])
    assert owner.stop() == 0
    assert wait_for(lambda: queue_depth(settings) == 1, 60)
    assert guest.stop() == 0
    assert wait_until_none_is_left(home, 60) == []


def test_if_the_workers_are_killed_in_turn_the_server_ends_with_the_last(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    workers = [start_worker() for _ in range(4)]
    publish_each(settings, ["a"])
    for worker in workers:
        assert wait_for(lambda: queue_depth(settings) == 1, 60)
        worker.kill()
    assert wait_until_none_is_left(home, 60) == []


def test_ctrl_c_in_the_terminal_does_not_reach_it(home: Path, start_worker: Callable[..., Worker]) -> None:
    worker = start_worker()
    before = servers(home)
    os.killpg(worker.process.pid, signal.SIGINT)  # as a terminal does
    assert worker.stop() == 0  # the worker got it first, and ended later
    assert before
    assert servers(home) == []


def test_it_survives_the_thread_that_started_it(home: Path) -> None:
    broker = EmbeddedBroker(home)
    asking = threading.Thread(target=broker.ensure)
    asking.start()
    asking.join()
    (pid,) = servers(home)
    time.sleep(0.3)  # the kernel would have killed it at once
    assert servers(home) == [pid]
    broker.stop()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # on purpose
def test_the_end_of_a_fork_does_not_end_it(broker: EmbeddedBroker, home: Path) -> None:
    before = servers(home)
    fork = os.fork()
    if fork == 0:
        broker.stop()
        os._exit(0)
    os.waitpid(fork, 0)
    assert servers(home) == before


def test_two_data_folders_have_two_brokers(broker: EmbeddedBroker, home: Path, settings: Settings) -> None:
    publish_each(settings, ["a"])
    other = load_settings({"BREAKWALL_DATA_DIR": str(home / "b")})
    second = EmbeddedBroker(other.home)
    second.ensure()
    assert depth_of(other) == 0
    second.stop()
    assert depth_of(settings) == 1


def test_it_is_not_started_where_the_settings_name_a_broker(home: Path) -> None:
    settings = load_settings(
        {"BREAKWALL_DATA_DIR": str(home), "BREAKWALL_BROKER_URL": "redis://127.0.0.1:1/0"}
    )
    assert start_embedded_broker(settings) is None
    assert list(home.iterdir()) == []


def test_it_is_started_where_they_name_none(settings: Settings) -> None:
    broker = start_embedded_broker(settings)
    assert broker is not None
    assert len(servers(settings.home)) == 1
    broker.stop()
