"""What one `place` costs in transactions and broker commands, counted where they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import redis
from sqlalchemy import event

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.broker.publisher import Publisher
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.settings import load_settings
from producers import OrderProducer
from tests.gateway import DOWN, PAID, ScriptedGateway
from tests.waiting import wait_until


class Counts:
    """Statements by their first word, and the broker's commands by name."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.commands: dict[str, int] = {}


class Meter:
    """A producer over one database and one broker, with a counter at each."""

    def __init__(self, migrated_url: str, redis_url: str) -> None:
        self.database = Database(migrated_url)
        upgrade(self.database.engine)
        self.gateway = ScriptedGateway()
        self.broker = redis.Redis.from_url(redis_url)
        self.broker.config_resetstat()
        settings = load_settings({"BREAKWALL_BROKER_URL": redis_url})
        self.breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=1))
        ledger = Ledger(self.database, lease=15)
        charger = Charger(self.gateway, ledger, RetryPolicy(), lambda: 0.5)  # type: ignore[arg-type]
        self.producer = OrderProducer(
            ledger, charger, self.breaker, Publisher(settings), timeout=10, jitter=lambda: 0.5, wait=30.0
        )

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        counts = Counts()

        def note(*arguments: object) -> None:
            counts.statements.append(str(arguments[2]).split()[0].rstrip(";"))

        def commit(_: object) -> None:
            counts.statements.append("COMMIT")

        self.broker.config_resetstat()
        event.listen(self.database.engine, "before_cursor_execute", note)
        event.listen(self.database.engine, "commit", commit)
        yield counts
        event.remove(self.database.engine, "before_cursor_execute", note)
        event.remove(self.database.engine, "commit", commit)
        stats = self.broker.info("commandstats")
        ours = {"config|resetstat", "info", "ping", "client|setinfo", "client|setname", "hello", "select"}
        counts.commands = {
            name.removeprefix("cmdstat_"): stat["calls"]
            for name, stat in stats.items()
            if name.removeprefix("cmdstat_") not in ours
        }

    def wait_for_the_publish(self) -> None:
        """An order is published behind its caller."""
        wait_until(lambda: "cmdstat_lpush" in self.broker.info("commandstats"))

    def place(self, key: str) -> str:
        order = Order(user_id="u1", amount=1000, currency="KRW", idempotency_key=key)
        return self.producer.place(order).status.value


@pytest.fixture
def meter(migrated_url: str, redis_url: str) -> Iterator[Meter]:
    meter = Meter(migrated_url, redis_url)
    yield meter
    meter.producer.close()
    meter.broker.close()


def transactions(counts: Counts) -> list[list[str]]:
    """The statements of each transaction, without what opens it: SQLite may be told how long to wait for a lock."""
    found: list[list[str]] = [[]]
    for word in counts.statements:
        if word == "COMMIT":
            found.append([])
        elif word not in {"BEGIN", "PRAGMA"}:
            found[-1].append(word)
    return found[:-1]


def test_while_open_it_is_one_transaction_of_an_insert_and_a_look_at_pruned_keys_and_no_publish(
    meter: Meter,
) -> None:
    """The order is not due before the circuit permits calls. The dispatcher publishes it then."""
    meter.gateway.answers.append(DOWN)
    assert meter.place("opens-the-circuit") == "queued"
    meter.wait_for_the_publish()
    with meter.counting() as counts:
        assert meter.place("cart-1") == "queued"
        meter.producer.close()  # Waits for what is published behind the caller.
    assert transactions(counts) == [["INSERT", "SELECT"]]
    assert counts.commands == {}


def test_while_closed_it_is_two_transactions_and_no_publish(meter: Meter) -> None:
    meter.gateway.answers.extend([PAID, replace(PAID, charge_id="ch_2")])
    meter.place("warms-up")
    with meter.counting() as counts:
        assert meter.place("cart-1") == "paid"
    # Only PostgreSQL can change several tables in one statement.
    recorded = ["WITH"] if meter.database.engine.name == "postgresql" else ["INSERT", "UPDATE", "UPDATE"]
    assert transactions(counts) == [["INSERT", "INSERT"], recorded]
    assert counts.commands == {}
