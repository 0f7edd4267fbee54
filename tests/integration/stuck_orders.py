"""Orders that wait for a person, for the tests of a person's commands."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection, update

from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from tests.command import Terminal

UNCLEAR = ChargeAnswer(Outcome.UNKNOWN, Health.NEUTRAL, code="ReadTimeout")
OTHER_PAYLOAD = ChargeAnswer(
    Outcome.UNKNOWN, Health.SUCCESS, code="http_422", advice=Advice.REVIEW, spends_key=True
)


@contextmanager
def ledger_of(terminal: Terminal) -> Iterator[Ledger]:
    with closing(Database(f"sqlite:///{terminal.home}/breakwall.db")) as database:
        yield Ledger(database, lease=15.0)


def in_review(terminal: Terminal, key: str = "cart-1", answer: ChargeAnswer = UNCLEAR) -> Attempt:
    """Make an order in review; returns its attempt, for a late result."""
    terminal.run("db", "upgrade")
    with ledger_of(terminal) as ledger:
        attempt = ledger.accept_sending(Order("u1", 10_000, "KRW", key))
        assert isinstance(attempt, Attempt)
        ledger.record(attempt, answer, Decision(OrderStatus.REVIEW))
    return attempt


def dead(terminal: Terminal, *keys: str, currency: str = "KRW") -> None:
    terminal.run("db", "upgrade")
    with ledger_of(terminal) as ledger:
        ledger.accept_queued([Order("u1", 10_000, currency, key) for key in keys])
        ledger.database.write(lambda connection: make_dead(connection, keys))


def make_dead(connection: Connection, keys: tuple[str, ...]) -> None:
    connection.execute(
        update(orders)
        .where(orders.c.idempotency_key.in_(keys))
        .values(
            status="dead",
            next_attempt_at=None,
            dispatch_at=None,
            settled_at=DATABASE_CLOCK.after(0),
            last_error="http_401: credentials",
        )
    )


def states(terminal: Terminal) -> dict[str, str]:
    listed = terminal.run("orders", "list", "-o", "json").document
    return {order["idempotency_key"]: order["status"] for order in listed}
