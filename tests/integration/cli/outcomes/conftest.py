from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from breakwall.breaker import CircuitBreaker, store_from_url
from breakwall.payments.outcomes.channel import CIRCUIT, circuit_name
from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


@pytest.fixture
def run_sql(terminal: Terminal) -> Callable[[str], None]:
    """Change the terminal's database, in which one order is queued, as a worker would."""
    order = {"user_id": "u1", "amount": 100, "currency": "KRW", "idempotency_key": "cart-1"}
    assert terminal.run("orders", "import", "-", stdin=json.dumps(order).encode()).code == 0

    def run(statements: str) -> None:
        with sqlite3.connect(terminal.home / "breakwall.db") as connection:
            connection.executescript(statements)

    return run


@pytest.fixture
def open_circuit(terminal: Terminal) -> Callable[[], None]:
    """Opens the webhook's circuit, as ten failed calls of a worker would."""

    def fail() -> None:
        store = store_from_url(f"sqlite:///{terminal.home / 'breakwall.db'}")
        with closing(CircuitBreaker(circuit_name("webhook"), CIRCUIT, store=store)) as breaker:
            for _ in range(CIRCUIT.failure_threshold):
                breaker.acquire().record_failure()

    return fail


@pytest.fixture
def undelivered(terminal: Terminal, run_sql: Callable[[str], None]) -> str:
    """The id of an event that was given up: the order was paid, and the webhook failed twelve times."""
    run_sql(
        """
        INSERT INTO destinations (name, since) VALUES ('webhook', '2026-01-01 00:00:00.000000');
        UPDATE orders SET status = 'paid', charge_id = 'ch_1', settled_at = '2026-11-29 10:00:00.000000',
            next_attempt_at = NULL, dispatch_at = NULL;
        UPDATE outcomes SET taken_at = at;
        INSERT INTO deliveries (outcome_id, destination, order_id, tries, given_up_at, last_error)
            SELECT id, 'webhook', order_id, 12, at, 'HTTP 500' FROM outcomes;
        """
    )
    [found] = terminal.run("outcomes", "list", "-o", "json").document
    return str(found["event_id"])
