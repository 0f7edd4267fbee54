"""An order as a caller places it, its states, and an order and its attempts as they are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from breakwall.card_numbers import holds_card_number
from breakwall.currencies import MINOR_DIGITS, max_amount, show_money
from breakwall.durations import seconds_in
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


class EndReason(StrEnum):
    """Why an order ended as it did: a word for programs. A declined order has the service's own code if it has one.

    A paid order has none, unless a person has resolved it. `docs/states.md` says when each is used.
    """

    REQUESTED = "requested"  # Cancelled: a person wanted it.
    EXPIRED = "expired"  # Cancelled: its last moment has passed.
    DECLINED = "declined"  # Declined, without a usable code.
    REFUSED = "refused"  # Dead: the service will never accept the request.
    EXHAUSTED = "exhausted"  # Dead: all attempts were used up.
    UNKNOWN = "unknown"  # In review: an attempt may have charged, and nothing can decide that.
    WRONG_CHARGE = "wrong_charge"  # In review: an answer names another charge than the order's.
    KEY_CONFLICT = "key_conflict"  # In review: the key leads to another payload or another order's charge.
    CRASHED = "crashed"  # In review: each process that worked on it has ended or lost its claim.
    RESOLVED = "resolved"  # Paid or dead: a person has said so.


class InvalidOrderError(Picklable, BreakwallError, ValueError):
    """The order cannot be accepted as it is; nothing was stored.

    Attributes:
        problems: for each unusable field, what would be right.
        keys: the idempotency keys of the orders of a batch that have these problems; empty before there is a batch.
    """

    kind = "invalid_order"
    exit_code = ExitCode.USAGE

    def __init__(self, problems: Mapping[str, str], keys: Iterable[str] = ()) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)
        self.keys = frozenset(keys)

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
        payment_method: the payment service's token for what is charged, such as ``pm_1N…``; never a card number.
        description: a text for the payment service, of at most 500 characters.
        metadata: for the payment service: at most 20 texts of at most 500 characters, by names of at most 40. None for
            an empty one.
        gateway: the name of a configured gateway; without one, the configured one charges.
        charge_before: a moment (aware), or seconds from when the order is accepted, at most 366 days. After it nothing
            is sent any more, and the order ends as ``cancelled`` once it is proven that nothing was charged.

    Raises:
        InvalidOrderError: naming each unusable field. A text that holds what looks like a card number is unusable.

    `docs/extending.md` lists what a new field needs.
    """

    user_id: str
    amount: int
    currency: str
    idempotency_key: str
    payment_method: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    gateway: str | None = None
    charge_before: datetime | float | None = None

    def __post_init__(self) -> None:
        problems = dict(_problems(self))
        if problems:
            raise InvalidOrderError(problems)
        if self.metadata is not None:
            # A copy, and sorted: the caller cannot change it, and services compare the bytes of a repeated request.
            object.__setattr__(self, "metadata", dict(sorted(self.metadata.items())) or None)
        if isinstance(self.charge_before, datetime):
            object.__setattr__(self, "charge_before", self.charge_before.astimezone(UTC))

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
        return cls(**{**document, "charge_before": expiry_in(document.get("charge_before"))})


FIELDS = tuple(field.name for field in fields(Order))

REQUIRED = tuple(  # The fields without a default.
    field.name for field in fields(Order) if field.default is field.default_factory is MISSING
)


# What an order carries for the payment service. It is secret: it goes to the gateway, and into no log and no error.
DETAILS = ("payment_method", "description", "metadata")


def optional_fields(source: object) -> dict[str, Any]:
    """The optional fields of an order that ``source`` has, as they are stored, without those that are None."""
    found = {name: getattr(source, name, None) for name in FIELDS if name not in REQUIRED}
    return {
        name: metadata_text(value) if name == "metadata" else value
        for name, value in found.items()
        if value is not None
    }


def metadata_text(metadata: str | Mapping[str, str]) -> str:
    """Metadata as its column has it: as JSON, always the same text for the same entries."""
    if isinstance(metadata, str):
        return metadata
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def metadata_in(metadata: str | Mapping[str, str]) -> dict[str, str]:
    """The metadata of an order, or of its row, where it is JSON."""
    found: dict[str, str] = json.loads(metadata) if isinstance(metadata, str) else dict(metadata)
    return found


def expiry_in(value: Any) -> Any:
    """The moment, or the seconds, of a text such as ``2026-11-28T18:00:00+01:00``, ``90``, ``10m`` or ``2h``.

    Any other value, or text, is returned as it is: then `Order` says what would be right.
    """
    if not isinstance(value, str):
        return value
    if (seconds := seconds_in(value)) is not None:
        return seconds
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return value


def _problems(order: Order) -> Iterator[tuple[str, str]]:
    known = isinstance(order.currency, str) and order.currency in MINOR_DIGITS
    if problem := _text_problem(order.user_id):
        yield "user_id", problem
    if problem := _amount_problem(order.amount, order.currency if known else None):
        yield "amount", problem
    if not known:
        yield "currency", "should be an ISO 4217 code in capitals, such as KRW or USD"
    if problem := _text_problem(order.idempotency_key):
        yield "idempotency_key", problem
    for name, find_problem in _OPTIONAL.items():
        value = getattr(order, name)
        if value is not None and (problem := find_problem(value)):
            yield name, problem


_MAX_METADATA, _MAX_METADATA_NAME, _MAX_METADATA_VALUE = 20, 40, 500
_FURTHEST_EXPIRY = 366 * 86_400.0  # Seconds.


def _text_problem(value: object, limit: int = MAX_LENGTH) -> str | None:
    if problem := text_problem(value, limit=limit):
        return problem
    if holds_card_number(str(value)):
        return "should not hold what looks like a card number: pass the payment service's token for the card"
    return None


def _metadata_problem(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return 'should be texts by name, such as {"cart": "17"}'
    if len(value) > _MAX_METADATA:
        return f"should have at most {_MAX_METADATA} entries"
    # Its names may be as secret as its values, so the problem counts the entries.
    for number, (name, text) in enumerate(value.items(), 1):
        if problem := _text_problem(name, _MAX_METADATA_NAME):
            return f"the name of entry {number} {problem}"
        if problem := _text_problem(text, _MAX_METADATA_VALUE):
            return f"the value of entry {number} {problem}"
    return None


def _expiry_problem(value: Any) -> str | None:
    if isinstance(value, datetime):
        return _moment_problem(value)
    # A text is a moment in JSON and on the command line: there `expiry_in` has read it.
    is_read = isinstance(value, str) and not isinstance(expiry_in(value), str)
    moment = (
        "a datetime with a time zone, not a text" if is_read else "a moment such as 2026-11-28T18:00:00+01:00"
    )
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _FURTHEST_EXPIRY:
        most = f"at most {_FURTHEST_EXPIRY:.0f}, which is 366 days"
        return f"should be {moment}, or seconds from now: more than 0, {most}"
    return None


def _moment_problem(moment: datetime) -> str | None:
    if moment.utcoffset() is None:
        return "should say its time zone, as 2026-11-28T18:00:00+01:00 does"
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return "should be a moment between the years 1 and 9999 in UTC"
    return None


# For each optional field, what says what is wrong with its value.
_OPTIONAL: dict[str, Callable[[Any], str | None]] = {
    "payment_method": _text_problem,
    "description": partial(_text_problem, limit=500),
    "metadata": _metadata_problem,
    "gateway": partial(_text_problem, limit=64),
    "charge_before": _expiry_problem,
}


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
        raise InvalidOrderError({"idempotency_key": problem}, [order.idempotency_key])


def differing_fields(known: object, order: Order) -> list[str]:
    """The names of the fields in which ``order`` differs from a known order.

    A field that the known order does not have, or has as None, does not differ: it was not kept, or the order is older
    than the field. A known order that names its gateway was placed with all the fields that came with it, so there None
    differs from a value. Without a gateway or a last moment, ``order`` leaves them to the known one. Only a moment of
    ``charge_before`` can be compared: seconds begin anew each time.
    """
    complete = _CAME_WITH_GATEWAYS if getattr(known, "gateway", None) is not None else frozenset()
    names = [name for name in FIELDS if hasattr(known, name) and _is_comparable(name, order)]
    kept = {name: getattr(known, name) for name in names}
    return [
        name
        for name, value in kept.items()
        if (value is not None or name in complete) and value != getattr(order, name)
    ]


_CAME_WITH_GATEWAYS = frozenset({*DETAILS, "charge_before"})
_COMPARED_IF_GIVEN = {"gateway": str, "charge_before": datetime}


def _is_comparable(name: str, order: Order) -> bool:
    return name not in _COMPARED_IF_GIVEN or isinstance(getattr(order, name), _COMPARED_IF_GIVEN[name])


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An accepted order as the database knows it. Times are aware, in UTC.

    Attributes:
        idempotency_key: the caller's own key.
        charge_key: the key that is sent to the payment service.
        gateway: the name of the gateway that charges it; None for an order from before gateways had names.
        charge_before: after this moment nothing is sent.
        reason: why it ended as it did, one of `EndReason` or a decline code; None while it is open.
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
    payment_method: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    gateway: str | None = None
    charge_before: datetime | None = None
    reason: str | None = None

    def check_same_as(self, order: Order) -> None:
        """Raise `IdempotencyConflictError` unless ``order`` is this one, placed again."""
        if differing := differing_fields(self, order):
            raise IdempotencyConflictError(self.idempotency_key, differing)


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One request to charge, written before it was sent; ``outcome`` is None while it runs.

    Attributes:
        gateway_key: the key that was sent with it.
        prepared: the payment service's own id of the charge that was prepared with it.
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
    prepared: str | None = None
