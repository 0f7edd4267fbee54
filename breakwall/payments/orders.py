"""An order as a caller places it, its states, and an order and its attempts as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from breakwall.currencies import MINOR_DIGITS, max_amount, show_money
from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.gateways.wire_keys import wire_key
from breakwall.pickling import Picklable
from breakwall.texts import MAX_LENGTH, quoted, text_problem


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
        """Whether only a person can change the order now."""
        return self not in {OrderStatus.IN_FLIGHT, OrderStatus.QUEUED}


class InvalidOrderError(Picklable, BreakwallError, ValueError):
    """The order cannot be accepted as it is; nothing was stored.

    Attributes:
        problems: for each unusable field, what would be right.
    """

    kind = "invalid_order"
    exit_code = ExitCode.USAGE

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)

    def sentences(self) -> list[str]:
        """One for each field."""
        return [f"{field}: {problem}" for field, problem in self.problems.items()]

    def details(self) -> dict[str, Any]:
        """``problems``: by the field, what would be right."""
        return {"problems": self.problems}


class IdempotencyConflictError(Picklable, BreakwallError, ValueError):
    """The idempotency key was used before for another order; nothing was stored."""

    kind = "idempotency_conflict"
    exit_code = ExitCode.USAGE

    def __init__(self, key: str, fields: list[str]) -> None:
        super().__init__(
            f"idempotency_key: {quoted(key)} belongs to an order with another {' and '.join(fields)}; "
            "a new order needs a key of its own"
        )
        self.key = key
        self.fields = fields

    def details(self) -> dict[str, Any]:
        """``problems``: what is wrong with the key."""
        return {"problems": {"idempotency_key": str(self).removeprefix("idempotency_key: ")}}


@dataclass(frozen=True, slots=True)
class Order:
    """What to charge, checked when it is made.

    Attributes:
        user_id: who pays; a text of 1 to 255 characters, see `breakwall.texts`.
        amount: minor units of ``currency``, 1 to `max_amount`: ₩10,000 is 10000, $10.00 is 1000.
        currency: an ISO 4217 code in capitals.
        idempotency_key: the caller's own name for this order, the same on each retry of the caller; a text like
            ``user_id``, compared byte for byte.

    Raises:
        InvalidOrderError: naming each unusable field.

    `docs/extending.md` lists what a new field needs.
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
        """Build an order from a parsed JSON object that has the `REQUIRED` fields, and no others than `FIELDS`.

        Raises:
            InvalidOrderError: also for a missing or an unknown field.
        """
        if not isinstance(document, dict):
            raise InvalidOrderError({"order": "should be a JSON object"})
        problems = {name: "is missing" for name in REQUIRED if name not in document}
        wanted = ", ".join(FIELDS)
        problems |= {
            str(name): f"is not a field of an order ({wanted})" for name in document if name not in FIELDS
        }
        if problems:
            raise InvalidOrderError(problems)
        return cls(**document)


FIELDS = tuple(field.name for field in fields(Order))

REQUIRED = tuple(  # The fields without a default.
    field.name for field in fields(Order) if field.default is field.default_factory is MISSING
)


def optional_fields(source: object) -> dict[str, Any]:
    """The optional fields of an order that ``source`` has, without those that are None."""
    found = {name: getattr(source, name, None) for name in FIELDS if name not in REQUIRED}
    return {name: value for name, value in found.items() if value is not None}


def _problems(order: Order) -> Iterator[tuple[str, str]]:
    known = isinstance(order.currency, str) and order.currency in MINOR_DIGITS
    if problem := text_problem(order.user_id):
        yield "user_id", problem
    if problem := _amount_problem(order.amount, order.currency if known else None):
        yield "amount", problem
    if not known:
        yield "currency", "should be an ISO 4217 code in capitals, such as KRW or USD"
    if problem := text_problem(order.idempotency_key):
        yield "idempotency_key", problem


def _amount_problem(value: Any, currency: str | None) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "should be a whole number of minor units: $10.00 is 1000, ₩10,000 is 10000"
    if value < 1:
        return "should be at least 1"
    if currency is not None and value > (limit := max_amount(currency)):
        return f"should be at most {limit} in {currency}, which is {show_money(limit, currency)}"
    return None


def check_caller_key(order: Order) -> None:
    """Raise `InvalidOrderError` if the caller's own key is too long for the header.

    In the header, some characters need three places or more.
    """
    if len(wire_key(order.idempotency_key)) > MAX_LENGTH:
        problem = (
            f"should be at most {MAX_LENGTH} characters long as it travels: a percent sign takes three, and so "
            "does each byte of what is not visible ASCII"
        )
        raise InvalidOrderError({"idempotency_key": problem})


def differing_fields(known: object, order: Order) -> list[str]:
    """The names of the fields in which ``order`` differs from a known order.

    A field that the known order does not have, or has as None, does not differ: it was not kept, or the order is older
    than the field.
    """
    kept = {name: getattr(known, name, None) for name in FIELDS}
    return [name for name, value in kept.items() if value is not None and value != getattr(order, name)]


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An accepted order as the database knows it. Times are aware, in UTC.

    Attributes:
        idempotency_key: the caller's own key.
        charge_key: the key that is sent to the payment service.
        suspected_at: set by `operator.suspect`: a charge may exist that this database does not know.
    """

    id: str
    idempotency_key: str
    charge_key: str
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
    suspected_at: datetime | None

    def check_same_as(self, order: Order) -> None:
        """Raise `IdempotencyConflictError` unless ``order`` is this one, placed again."""
        if differing := differing_fields(self, order):
            raise IdempotencyConflictError(self.idempotency_key, differing)


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One request to charge, written before it was sent; ``outcome`` is None while it runs.

    Attributes:
        gateway_key: the key that was sent with it.
        settled_by: what resolved it, if it was not the answer to it: one of `schema.ResolvedBy`, or None.
    """

    number: int
    source: str
    gateway_key: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    code: str | None
    detail: str | None
    charge_id: str | None
    settled_by: str | None
