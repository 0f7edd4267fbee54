"""The shop's own orders, in the shop's own database: what was ordered, and what the customer is told of it."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, sessionmaker
from sqlalchemy.schema import CreateTable

from breakwall.producers import Order

PRICE, CURRENCY = 450, "EUR"  # Minor units: 4.50 euros.
PRICE_HOLDS = timedelta(seconds=float(os.environ.get("SHOP_PRICE_HOLDS") or 3600))
NEW = "new"  # Stored here; what Breakwall says of it is not known yet.
OPEN = (NEW, "in_flight", "queued")


def in_euros(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02} €"


class Base(MappedAsDataclass, DeclarativeBase):
    """The shop's tables."""


class ShopOrder(Base):
    """One order. ``form`` is the form that it came with: a form that is sent twice is one order."""

    __tablename__ = "orders"

    customer: Mapped[str]
    payment_method: Mapped[str] = mapped_column(repr=False)
    note: Mapped[str] = mapped_column(repr=False)
    form: Mapped[str] = mapped_column(unique=True, repr=False)
    amount: Mapped[int] = mapped_column(default=PRICE)  # Stored, because the shop's price may change.
    number: Mapped[str] = mapped_column(primary_key=True, default_factory=lambda: secrets.token_hex(4))
    # The number is on receipts and in logs, and numbers can be guessed. Only the token opens the customer's page.
    token: Mapped[str] = mapped_column(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    price_ends: Mapped[int] = mapped_column(
        default_factory=lambda: int((datetime.now(UTC) + PRICE_HOLDS).timestamp())
    )
    status: Mapped[str] = mapped_column(default=NEW)
    told_at: Mapped[str] = mapped_column(
        default=""
    )  # When the event that set the status says that it happened.

    @property
    def charge_before(self) -> datetime:
        """After this moment the price no longer holds, so the card must not be charged any more."""
        return datetime.fromtimestamp(self.price_ends, UTC)

    @property
    def price(self) -> str:
        return in_euros(self.amount)

    @property
    def price_holds_until(self) -> str:
        return f"{self.charge_before:%d %B %Y, %H:%M} UTC"

    @property
    def is_open(self) -> bool:
        """Whether the customer waits for an answer, so that the page reloads itself."""
        return self.status in OPEN

    def for_breakwall(self) -> Order:
        """The order as Breakwall gets it, always the same. Raises `InvalidOrderError`, which names the fields."""
        return Order(
            user_id=self.customer,
            amount=self.amount,
            currency=CURRENCY,
            idempotency_key=self.number,
            payment_method=self.payment_method,
            description=f"One tea. {self.note}".strip(),
            metadata={"product": "tea"},
            charge_before=self.charge_before,
        )


class HeardEvent(Base):
    """The id of an event that was heard, so that the same event, delivered twice, changes nothing."""

    __tablename__ = "heard_events"

    id: Mapped[str] = mapped_column(primary_key=True)


engine = create_engine(os.environ.get("SHOP_DATABASE_URL") or "sqlite:///shop.db")
session = sessionmaker(engine, expire_on_commit=False)
with engine.begin() as connection:
    for table in Base.metadata.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))


def store(order: ShopOrder) -> ShopOrder:
    """Store a new order; if its form was sent before, return the order that was stored then."""
    with suppress(IntegrityError), session.begin() as transaction:
        transaction.add(order)
    with session() as reading:
        return reading.scalars(select(ShopOrder).where(ShopOrder.form == order.form)).one()


def find(number: str, token: str) -> ShopOrder | None:
    """The order, if the token is its own. It is compared in constant time: the time tells nothing of it."""
    with session() as reading:
        order = reading.get(ShopOrder, number)
    return order if order and secrets.compare_digest(order.token.encode(), token.encode()) else None


def unanswered() -> Sequence[ShopOrder]:
    """The orders of which the shop has no answer of Breakwall's: a process died, or the database did not answer."""
    with session() as reading:
        return reading.scalars(select(ShopOrder).where(ShopOrder.status == NEW)).all()


def answer(number: str, status: str) -> None:
    """Store what Breakwall has answered, unless an event has told how the order ended meanwhile."""
    with session.begin() as transaction:
        open_order = (ShopOrder.number == number, ShopOrder.status.in_(OPEN))
        transaction.execute(update(ShopOrder).where(*open_order).values(status=status))


def hear(event: dict[str, Any]) -> None:
    """Take one event of Breakwall's, which may come twice: its id and the change are stored in one transaction."""
    data = event["data"]
    not_older = (ShopOrder.number == data["idempotency_key"], ShopOrder.told_at <= data["settled_at"])
    with suppress(IntegrityError), session.begin() as transaction:
        transaction.add(HeardEvent(event["id"]))
        transaction.flush()  # Raises IntegrityError if the id is known.
        changed = {"status": data["status"], "told_at": data["settled_at"]}
        transaction.execute(update(ShopOrder).where(*not_older).values(changed))
