"""Which orders a bulk retry is for, and the queries that find them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, case, or_, select

from breakwall.currencies import MINOR_DIGITS
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED
from breakwall.payments.ledger.batches import BATCH, Position, orders_by_age
from breakwall.payments.operator.retry_and_cancel import HAS_KEY_CONFLICT, RETRYABLE
from breakwall.payments.orders import OrderStatus
from breakwall.texts import character_problem

LONGEST = 100 * 365.25 * 86_400  # Seconds, a century: every database computes with it.


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions on the orders to retry; an order must meet all of them."""

    statuses: tuple[OrderStatus, ...]  # Each one of `RETRYABLE`.
    currency: str | None = None  # An ISO 4217 code; None: any.
    older_than: float = 0.0  # Seconds since they were accepted, at least.
    error_contains: str | None = None  # A text within their last error, in any case; None: any.
    rejected: bool = False  # Only those whose answer stays the same until the settings are corrected.

    def __post_init__(self) -> None:
        wrong = [status for status in self.statuses if status not in RETRYABLE]
        if wrong or not self.statuses:
            raise ValueError(f"statuses: should be of {', '.join(RETRYABLE)}")
        if not 0.0 <= self.older_than <= LONGEST:
            raise ValueError("older_than: should be from 0 seconds to a century")

    def as_json(self) -> str:
        """For the column ``bulk_retries.selection``."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `as_json` has written."""
        fields = json.loads(text)
        return cls(**{**fields, "statuses": tuple(OrderStatus(status) for status in fields["statuses"])})

    @property
    def in_sequence(self) -> list[OrderStatus]:
        """The states, in the sequence in which their orders are found.

        Queued orders come first: a person may retry a dead order meanwhile. It is found once, or not at all.
        """
        return sorted(self.statuses, key=RETRYABLE.index)


def selection_problems(currency: str | None, error_contains: str | None) -> dict[str, str]:
    """What is wrong with two texts that a person has written for a `Selection`, by its field."""
    found = {}
    if currency is not None and currency not in MINOR_DIGITS:
        found["currency"] = "should be an ISO 4217 code, such as KRW or USD"
    if problem := character_problem(error_contains or ""):
        found["error_contains"] = problem
    return found


def batch_query(
    selection: Selection,
    status: OrderStatus,
    *,
    until: datetime,
    asked_at: datetime,
    after: Position | None = None,
    size: int = BATCH,
) -> Select[Any]:
    """The next orders, oldest first, from the index on state and time of acceptance.

    Those that were accepted ``until`` then, have been in their state since ``asked_at`` or longer, and need no
    `resolve`. It continues after the last order's time. That misses nothing, because orders that are accepted later do
    not match.
    """
    matching = (
        orders.c.status == status,
        orders.c.created_at <= until,
        or_(orders.c.settled_at.is_(None), orders.c.settled_at <= asked_at),
        ~HAS_KEY_CONFLICT,
        *filters(selection, _last_error_contains),
    )
    return orders_by_age(orders.c.created_at, *matching, after=after).limit(size)


def in_any_state(selection: Selection) -> tuple[ColumnElement[bool], ...]:
    """The conditions but those on state and age, for orders of any state."""
    return tuple(filters(selection, _any_error_contains))


def filters(
    selection: Selection, error_contains: Callable[[str], ColumnElement[bool]]
) -> Iterator[ColumnElement[bool]]:
    """The conditions on currency, error and rejection."""
    if selection.currency is not None:
        yield orders.c.currency == selection.currency
    if selection.error_contains is not None:
        yield error_contains(selection.error_contains)
    if selection.rejected:
        yield ORDER_REJECTED


def _last_error_contains(text: str) -> ColumnElement[bool]:
    return orders.c.last_error.icontains(text, autoescape=True)


def _any_error_contains(text: str) -> ColumnElement[bool]:
    """The last error; for a paid order, whose last error is deleted, the error of any attempt."""
    errors = (column.icontains(text, autoescape=True) for column in (attempts.c.code, attempts.c.detail))
    in_attempts = orders.c.id.in_(select(attempts.c.order_id).where(or_(*errors)))
    return case((orders.c.status == OrderStatus.PAID, in_attempts), else_=_last_error_contains(text))
