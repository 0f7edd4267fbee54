"""The log of a real worker through an outage, and beside foreign messages, on the embedded Valkey."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from breakwall.simulator.client import SimulatorControl
from breakwall.texts import is_allowed
from tests.command import Terminal, command_line

TIMEOUT = 60.0
EVIL = "cart\n{}2026 ERROR forged\r\x1b[2J\x85\u2028\u202egpj\x7f"


class Worker:
    """A worker whose log goes to a file."""

    def __init__(self, terminal: Terminal, *options: str) -> None:
        self._path = terminal.folder / "worker.log"
        self._file = self._path.open("wb")
        self._process = subprocess.Popen(
            command_line("worker", "--concurrency", "4", *options),
            stdout=self._file,
            stderr=subprocess.STDOUT,
            cwd=terminal.folder,
            env=terminal.environ,
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """The whole lines of it: each is an event."""
        written = self._path.read_bytes()
        return [json.loads(line) for line in written[: written.rfind(b"\n") + 1].splitlines()]

    def logged(self, what: str, level: str = "warning") -> dict[str, Any]:
        """Wait for the event that has these words, and return it."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            for event in self.events:
                if what in event["event"] and event["level"] == level:
                    return event
            time.sleep(0.1)
        pytest.fail(f"{what!r} was not logged in {self._path.read_text()}")

    def close(self) -> None:
        self._process.terminate()
        assert self._process.wait(TIMEOUT) == 0
        self._file.close()


Start = Callable[..., Worker]


@pytest.fixture
def start(short_terminal: Terminal) -> Iterator[Start]:
    workers: list[Worker] = []

    def started(*options: str) -> Worker:
        workers.append(Worker(short_terminal, *options))
        return workers[-1]

    yield started
    for worker in workers:
        worker.close()


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
    begun = worker.logged("a backlog has begun: 4 orders wait")
    assert (begun["queued"], begun["amounts"]) == (4, {"KRW": 40_000})
    assert worker.logged("the circuit payment is open")["circuit"] == "payment"
    assert worker.logged("opened again: a probe failed; in this process ")["kinds"]
    payments.set_faults(down=False)
    assert worker.logged("the circuit payment closed again")["open_seconds"] > 0
    gone = worker.logged("the backlog is gone after")
    assert gone["settled"] == {"paid": 4}
    assert {event["level"] for event in worker.events} == {"warning"}


def test_no_foreign_message_breaks_a_line(
    short_terminal: Terminal, payments: SimulatorControl, start: Start
) -> None:
    """A row of the fault map: an id with a newline or ESC in a message was raw in the log."""
    worker = start("--loglevel", "INFO")
    worker.logged(" ready.", "info")
    with redis.Redis(unix_socket_path=str(short_terminal.home / "broker.sock")) as broker:
        ours, theirs, id_of_one = EVIL.format("ours"), EVIL.format("theirs"), EVIL.format("task")
        broker.lpush("payments.retry", message("breakwall.retry_payment", id_of_one, ours))
        broker.lpush("payments.retry", message(theirs, "x", "y"))
    worker.logged("set aside a strange message: its id is none", "warning")
    worker.logged("set aside a strange message: it is for another task", "warning")
    for event in worker.events:
        assert is_allowed(event["event"])
        assert "2026 ERROR forged" not in event["event"].partition("cart")[0]


def test_an_order_is_logged_with_its_key_and_so_is_the_tasks_result(
    short_terminal: Terminal, payments: SimulatorControl, start: Start
) -> None:
    short_terminal.set(DISPATCH__INTERVAL="0.2", BREAKER__FAILURE_THRESHOLD="100")
    payments.set_faults(error_rate=1.0)
    short_terminal.place(key="cart-17")
    worker = start("--loglevel", "INFO")
    event = worker.logged("order cart-17 (id ", "info")
    assert (event["status"], event["key"], event["order_id"]) == (
        "queued",
        "cart-17",
        short_terminal.show("cart-17")["id"],
    )
    said = event["event"].partition("): ")[2]
    assert said.startswith(f"queued, {event['reason']}, next attempt in ")
    assert said in worker.logged("] succeeded in ", "info")["event"]


def test_the_brokers_password_is_in_no_line(short_terminal: Terminal, start: Start) -> None:
    short_terminal.set(BROKER_URL="redis://:geheim@127.0.0.1:9/0")
    worker = start("--loglevel", "DEBUG")
    worker.logged("transport: redis://:**@127.0.0.1:9/0", "info")
    worker.logged("the broker fails: Error 111", "warning")
    assert "geheim" not in json.dumps(worker.events)
