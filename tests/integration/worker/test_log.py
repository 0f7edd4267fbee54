"""The log of a real worker through an outage, and beside strange messages, on the embedded Valkey."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import redis

from breakwall.simulator.client import SimulatorControl
from breakwall.texts import is_allowed
from tests.command import Terminal, command_line
from tests.integration.worker_fixtures import RunningWorker, running_worker

EVIL = "cart\n{}2026 ERROR forged\r\x1b[2J\x85\u2028\u202egpj\x7f"


Start = Callable[..., RunningWorker]


@pytest.fixture
def start(short_terminal: Terminal) -> Iterator[Start]:
    with ExitStack() as workers:

        def started(*options: str) -> RunningWorker:
            line = command_line("worker", "--concurrency", "4", *options)
            return workers.enter_context(running_worker(short_terminal, line, wait=False))

        yield started


def message(task: str, task_id: str, argument: str) -> str:
    """As Celery puts it into the queue."""
    body = b64encode(json.dumps([[argument], {}, {}]).encode()).decode()
    headers = {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "argsrepr": f"({argument!r},)"}
    properties = {
        "correlation_id": task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "payments.retry"},
        "delivery_tag": str(uuid.uuid4()),
        "body_encoding": "base64",
    }
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    )


def test_an_outage_and_its_end_are_logged_at_celerys_default_level(
    short_terminal: Terminal, payments: SimulatorControl, start: Start
) -> None:
    """A row of the fault map: an outage left no line at all."""
    short_terminal.set(BREAKER__RECOVERY_TIMEOUT="1", RETRY__CAP="1", DISPATCH__INTERVAL="0.2")
    payments.set_faults(down=True)
    for number in range(4):
        short_terminal.place(key=f"cart-{number}")
    worker = start()
    begun = worker.event("a backlog has begun: 4 orders wait")
    assert (begun["queued"], begun["amounts"]) == (4, {"KRW": 40_000})
    assert worker.event("the circuit payment is open")["circuit"] == "payment"
    assert worker.event("opened again: a probe failed; in this process ")["kinds"]
    payments.set_faults(down=False)
    assert worker.event("the circuit payment closed again")["open_seconds"] > 0
    gone = worker.event("the backlog is gone after")
    assert gone["settled"] == {"paid": 4}
    assert {event["level"] for event in worker.events} == {"warning"}


def test_no_strange_message_breaks_a_line(
    short_terminal: Terminal, payments: SimulatorControl, start: Start
) -> None:
    """A row of the fault map: an id with a newline or ESC in a message was raw in the log."""
    worker = start("--loglevel", "INFO")
    worker.event(" ready.", "info")
    with redis.Redis(unix_socket_path=str(short_terminal.home / "broker.sock")) as broker:
        ours, theirs, id_of_one = EVIL.format("ours"), EVIL.format("theirs"), EVIL.format("task")
        broker.lpush("payments.retry", message("breakwall.retry_payment", id_of_one, ours))
        broker.lpush("payments.retry", message(theirs, "x", "y"))
    worker.event("set aside a strange message: its id is none")
    worker.event("set aside a strange message: it is for another task")
    for event in worker.events:
        assert is_allowed(event["event"])
        assert "2026 ERROR forged" not in event["event"].partition("cart")[0]


def test_an_order_is_logged_with_its_key(
    short_terminal: Terminal, payments: SimulatorControl, start: Start
) -> None:
    short_terminal.set(DISPATCH__INTERVAL="0.2", BREAKER__FAILURE_THRESHOLD="100")
    payments.set_faults(error_rate=1.0)
    short_terminal.place(key="cart-17")
    worker = start("--loglevel", "INFO")
    event = worker.event("order cart-17 (id ", "info")
    assert (event["status"], event["key"], event["order_id"]) == (
        "queued",
        "cart-17",
        short_terminal.show("cart-17")["id"],
    )
    said = event["event"].partition("): ")[2]
    assert said.startswith(f"queued, {event['reason']}, next attempt in ")


def test_the_brokers_password_is_in_no_line(short_terminal: Terminal, start: Start) -> None:
    short_terminal.set(BROKER_URL="redis://:geheim@127.0.0.1:9/0")
    worker = start("--loglevel", "DEBUG")
    worker.event("transport: redis://:**@127.0.0.1:9/0", "info")
    worker.event("the broker fails: Error 111")
    assert "geheim" not in json.dumps(worker.events)
