"""Real workers obey `queue pause`, `resume` and `rate`, and work on released orders; no order is lost or doubled."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal, command_line
from tests.every_case import every_case
from tests.integration.worker_fixtures import RunningWorker, running_worker
from tests.waiting import wait_until

PLACES = {
    "the embedded default": {},
    "PostgreSQL and Redis": {"DATABASE_URL": "postgres_url", "BROKER_URL": "redis_url"},
    "PostgreSQL and RabbitMQ": {"DATABASE_URL": "postgres_url", "BROKER_URL": "rabbitmq_url"},
}
TWO_PLACES = ("the embedded default", "PostgreSQL and RabbitMQ")  # The third one has the other test.


class Fleet:
    """Workers of one site, and what became of its orders."""

    def __init__(self, terminal: Terminal, *, is_embedded: bool) -> None:
        self.run = terminal.run
        self.is_embedded = is_embedded  # Its broker runs in a worker.
        self._terminal = terminal
        self._numbers = count(1)

    def worker(self) -> AbstractContextManager[RunningWorker]:
        name = f"w{next(self._numbers)}"
        options = ("--concurrency", "2", "--loglevel", "INFO", "-n", f"{name}@%h")
        return running_worker(self._terminal, command_line("worker", *options), log=f"{name}.log")

    def queue(self, number: int) -> None:
        orders = (
            {"user_id": "u1", "amount": 10_000, "currency": "KRW", "idempotency_key": f"cart-{n}"}
            for n in range(number)
        )
        lines = "\n".join(map(json.dumps, orders))
        assert self.run("orders", "import", "-", stdin=lines.encode()).code == 0

    def orders(self) -> dict[str, dict[str, Any]]:
        found = self.run("orders", "list", "--limit", "100", "-o", "json").document
        return {order["idempotency_key"]: order for order in found}

    def paid(self) -> set[str]:
        return {key for key, order in self.orders().items() if order["status"] == "paid"}

    def backlog(self) -> dict[str, Any]:
        found: dict[str, Any] = self.run("backlog", "-o", "json").document
        return found

    def counted(self) -> dict[str, Any]:
        """A snapshot with the broker's count: a busy broker does not always answer within the second it is given."""
        seen: dict[str, Any] = {}

        def is_counted() -> bool:
            nonlocal seen
            seen = self.backlog()
            return seen["broker_messages"] is not None

        wait_until(is_counted, 30)
        return seen


@pytest.fixture(params=PLACES)
def fleet(request: pytest.FixtureRequest, short_terminal: Terminal, payments: SimulatorControl) -> Fleet:
    urls = {name: request.getfixturevalue(fixture) for name, fixture in PLACES[request.param].items()}
    short_terminal.set(**urls, DISPATCH__INTERVAL="0.2", RETRY__CAP="1")
    assert short_terminal.run("db", "upgrade").code == 0
    return Fleet(short_terminal, is_embedded=not urls)


@pytest.mark.parametrize("fleet", PLACES if every_case() else TWO_PLACES, indirect=True)
def test_a_paused_fleet_sends_released_orders_alone_also_after_a_restart(
    fleet: Fleet, payments: SimulatorControl
) -> None:
    fleet.run("queue", "pause", "--reason", "maintenance", "--actor", "alice")
    fleet.queue(6)
    at_the_broker = 0 if fleet.is_embedded else fleet.counted()["broker_messages"]
    with ExitStack() as others, fleet.worker() as first:
        first.wait_for("drain paused by alice: maintenance")
        fleet.run("orders", "retry", "cart-3")
        wait_until(lambda: fleet.paid() == {"cart-3"}, 30)
        second = others.enter_context(fleet.worker())
        second.wait_for("drain paused by alice: maintenance")
        seen = fleet.counted()
        assert seen["broker_messages"] >= at_the_broker, "a paused worker fetches nothing"
        assert (seen["paused"]["actor"], seen["paused"]["reason"]) == ("alice", "maintenance")
        assert [obstacle["kind"] for obstacle in seen["blocked_by"]] == ["paused"]
        assert (seen["drain_eta_seconds"], seen["warnings"]) == (None, [])
        assert payments.stats()["charges"] == 1
        fleet.run("orders", "retry", "cart-5")
        wait_until(lambda: fleet.paid() == {"cart-3", "cart-5"}, 30)
        assert payments.stats()["charges"] == 2
        fleet.run("queue", "resume")
        wait_until(lambda: len(fleet.paid()) == 6, 60)
        assert fleet.backlog()["paused"] is None
    stats = payments.stats()
    assert (stats["charges"], stats["double_charges"]) == (6, 0)


@pytest.mark.parametrize("fleet", PLACES if every_case() else ["PostgreSQL and Redis"], indirect=True)
def test_two_workers_share_the_rate(fleet: Fleet, payments: SimulatorControl) -> None:
    fleet.run("queue", "rate", "5", "--reason", "they asked for it")
    with fleet.worker(), fleet.worker():
        wait_until(lambda: fleet.backlog()["workers"] == 2, 30)
        fleet.queue(20)
        assert fleet.backlog()["rate"] == 5.0
        wait_until(lambda: len(fleet.paid()) == 20, 60)
    times = sorted(datetime.fromisoformat(order["settled_at"]) for order in fleet.orders().values())
    # At 5/s the twentieth follows the first after 3.8 s; each of the two workers may begin with one at once.
    assert (times[-1] - times[0]).total_seconds() >= 18 / 5 * 0.8
    assert payments.stats()["double_charges"] == 0
