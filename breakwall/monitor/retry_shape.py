"""The shape of the backlog: how many waiting orders have which retry count, and when their next retries fire."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, case, literal_column

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import orders

# The largest retry count of each bucket; the last bucket has all above.
RETRY_BOUNDS = (0, 1, 2, 3, 5, 10)
# Seconds until the next attempt, likewise.
DUE_BOUNDS = (0.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
DUE_NOW = 0  # The number of the bucket of due orders.

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class RetryBucket:
    """``orders`` waiting orders have ``least`` to ``most`` retries; ``most`` is None for any number above."""

    least: int
    most: int | None
    orders: int


@dataclass(frozen=True, slots=True)
class DueBucket:
    """The next attempt of ``orders`` waiting orders is due within so many seconds, and not within those of the bucket
    before; 0.0: due now; None: later than in all the others.
    """

    within_seconds: float | None
    orders: int


def retry_bucket() -> ColumnElement[int]:
    """The number of an order's bucket by its retry count."""
    steps = [(orders.c.retry_count <= literal_column(str(most)), most) for most in RETRY_BOUNDS]
    return _numbered([condition for condition, _ in steps])


def due_bucket(clock: Clock) -> ColumnElement[int]:
    """The number of an order's bucket by its next attempt."""
    return _numbered([orders.c.next_attempt_at <= once(clock.after(within)) for within in DUE_BOUNDS])


def _numbered(conditions: list[ColumnElement[bool]]) -> ColumnElement[int]:
    numbers: list[ColumnElement[int]] = [literal_column(str(n)) for n in range(len(conditions) + 1)]
    return case(*zip(conditions, numbers, strict=False), else_=numbers[-1])


def retry_histogram(numbers: Mapping[int, int]) -> tuple[RetryBucket, ...]:
    """All buckets, from the orders of each by its number."""
    least = [0, *(most + 1 for most in RETRY_BOUNDS)]
    most = [*RETRY_BOUNDS, None]
    return tuple(RetryBucket(least[n], most[n], numbers.get(n, 0)) for n in range(len(least)))


def next_retries(numbers: Mapping[int, int]) -> tuple[DueBucket, ...]:
    """All buckets, from the orders of each by its number."""
    return tuple(DueBucket(within, numbers.get(n, 0)) for n, within in enumerate([*DUE_BOUNDS, None]))


def summed(pairs: Iterable[tuple[Key, int]]) -> dict[Key, int]:
    """The sum of the numbers of each key."""
    sums: Counter[Key] = Counter()
    for key, number in pairs:
        sums[key] += number
    return dict(sums)
