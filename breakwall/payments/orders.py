"""An order as its caller hands it in, and the states that it can be in afterwards."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from breakwall.payments.currencies import MINOR_DIGITS
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.gateways.wire_keys import wire_key

MAX_AMOUNT = 999_999_999_999
"""Twelve digits of minor units: above any real order, below what JSON readers with doubles keep exact."""

MAX_LENGTH = 255
"""Characters of a key or a user id: what gateways accept in a header and an index holds."""

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's control characters, halves of characters, and ends of lines. Spaces and joiners are in people's names."""


class OrderStatus(StrEnum):
    """The state of an order; `docs/states.md` draws the transitions."""

    IN_FLIGHT = "in_flight"
    QUEUED = "queued"
    PAID = "paid"
    DECLINED = "declined"
    REVIEW = "review"
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing happens to the order any more unless a person acts."""
        return self not in {OrderStatus.IN_FLIGHT, OrderStatus.QUEUED}


class InvalidOrderError(ValueError):
    """The order cannot be accepted as it is; nothing was stored.

    Attributes:
        problems: for each unusable field, what would be right.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)


class IdempotencyConflictError(ValueError):
    """The idempotency key was used before, for an order that is not this one; nothing was stored."""

    def __init__(self, key: str, fields: list[str]) -> None:
        super().__init__(
            f"idempotency_key: {key!r} belongs to an order with another {' and '.join(fields)}; "
            "a new order needs a key of its own"
        )
        self.key = key
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Order:
    """What to charge, checked when it is made.

    Attributes:
        user_id: who pays; 1 to 255 characters.
        amount: minor units of ``currency``, 1 to `MAX_AMOUNT`: ₩10,000 is 10000, $10.00 is 1000.
        currency: an ISO 4217 code in capitals.
        idempotency_key: the caller's own name for this order, the same on each retry of the caller;
            1 to 255 visible ASCII characters, of which a percent sign counts as three. It is also the key that
            the gateway gets, with each percent sign as ``%25``.

    Raises:
        InvalidOrderError: naming each unusable field.
    """

    user_id: str
    amount: int
    currency: str
    idempotency_key: str

    def __post_init__(self) -> None:
        problems = dict(_problems(self))
        if problems:
            raise InvalidOrderError(problems)

    @classmethod
    def from_json(cls, document: object) -> Order:
        """Build an order from a parsed JSON object with exactly the fields of `Order`.

        Raises:
            InvalidOrderError: also for a missing or an unknown field.
        """
        if not isinstance(document, dict):
            raise InvalidOrderError({"order": "should be a JSON object"})
        names = [field.name for field in fields(cls)]
        problems = {name: "is missing" for name in names if name not in document}
        wanted = ", ".join(names)
        problems |= {
            str(name): f"is not a field of an order ({wanted})" for name in document if name not in names
        }
        if problems:
            raise InvalidOrderError(problems)
        return cls(**document)


def _problems(order: Order) -> Iterator[tuple[str, str]]:
    if problem := _text_problem(order.user_id):
        yield "user_id", problem
    if problem := _amount_problem(order.amount):
        yield "amount", problem
    if not isinstance(order.currency, str) or order.currency not in MINOR_DIGITS:
        yield "currency", "should be an ISO 4217 code in capitals, such as KRW or USD"
    if problem := _text_problem(order.idempotency_key) or _key_problem(order.idempotency_key):
        yield "idempotency_key", problem


def _text_problem(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return "should be a text that is not empty"
    if len(value) > MAX_LENGTH:
        return f"should be at most {MAX_LENGTH} characters long"
    if not value.isprintable() and any(unicodedata.category(char) in _CONTROL for char in value):
        return "should hold no control characters"
    return None


def _key_problem(value: str) -> str | None:
    if not _HEADER_SAFE.fullmatch(value):
        return "should be visible ASCII characters without spaces: it travels in an HTTP header"
    if len(wire_key(value)) > MAX_LENGTH:
        return (
            f"should be at most {MAX_LENGTH} characters long as it travels, where a percent sign takes three"
        )
    return None


def _amount_problem(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "should be a whole number of minor units: $10.00 is 1000, ₩10,000 is 10000"
    if value < 1:
        return "should be at least 1"
    if value > MAX_AMOUNT:
        return f"should be at most {MAX_AMOUNT}"
    return None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An accepted order as the database knows it. Times are aware, in UTC."""

    id: str
    idempotency_key: str
    user_id: str
    amount: int
    currency: str
    status: OrderStatus
    retry_count: int
    deferral_count: int
    next_attempt_at: datetime | None
    charge_id: str | None
    last_error: str | None
    cancel_requested: bool
    created_at: datetime
    settled_at: datetime | None

    def check_same_as(self, order: Order) -> None:
        """Raise `IdempotencyConflictError` unless ``order`` is this one, handed in again."""
        compared = ("user_id", "amount", "currency")
        differing = [name for name in compared if getattr(self, name) != getattr(order, name)]
        if differing:
            raise IdempotencyConflictError(self.idempotency_key, differing)


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One request to charge, written before it was sent; ``outcome`` is None while it runs."""

    number: int
    source: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    code: str | None
    detail: str | None
    charge_id: str | None
