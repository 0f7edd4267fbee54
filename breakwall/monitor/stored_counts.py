"""The count of a long backlog that a worker stores, so that a snapshot need not count it again."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.schema import backlog_counts

# Seconds after which a stored count is not used any more: its worker has ended, or counting takes too long. A worker
# counts every eight seconds (`worker/background/backlog_counter.py`).
MAX_AGE = 30.0


class Part(StrEnum):
    """What is counted: the waiting orders with all that belongs to them, or those set aside (in review, dead)."""

    WAITING = "waiting"
    ASIDE = "aside"


# The names of a part's numbers. Those that another version has stored may be others.
NAMES = {
    Part.WAITING: {
        *("queued", "due", "amounts", "money", "rejected", "retry_histogram", "next_retries", "in_flight"),
        *("abandoned", "oldest_age_seconds", "oldest_due_age_seconds", "next_due_seconds"),
        *("drained_last_minute", "last_due", "span", "stalled"),
    },
    Part.ASIDE: {"numbers", "money", "is_all"},
}


@dataclass(frozen=True, slots=True)
class StoredCount:
    """``numbers`` by part and name, as JSON can have them, counted at ``at``, ``age`` seconds ago."""

    at: datetime
    age: float
    numbers: dict[str, Any]

    def part(self, part: Part) -> dict[str, Any] | None:
        """The numbers of one part; None if it was not counted, or by a version with other numbers."""
        numbers = self.numbers.get(part.value)
        known = isinstance(numbers, dict) and numbers.keys() == NAMES[part]
        return numbers if known else None


def read_stored(connection: Connection, clock: Clock) -> StoredCount | None:
    """The stored count; None if there is none of the last `MAX_AGE` seconds."""
    newest = select(backlog_counts, clock.after(0).label("now")).where(
        backlog_counts.c.counted_at.is_not(None)
    )
    row = connection.execute(newest).one_or_none()
    # A count of the far future does not count: the database's clock was set back.
    if row is None or abs((row.now - row.counted_at).total_seconds()) > MAX_AGE:
        return None
    return StoredCount(row.counted_at, seconds_between(row.counted_at, row.now), json.loads(row.numbers))


def store(connection: Connection, count: StoredCount) -> None:
    """Replace the stored count."""
    row = {"counted_at": count.at, "numbers": json.dumps(count.numbers)}
    if connection.execute(update(backlog_counts).values(row)).rowcount == 0:
        connection.execute(insert(backlog_counts).values(id=1, **row))


def has_stored(connection: Connection) -> bool:
    """Whether a count is stored, of any age."""
    stored = select(backlog_counts.c.id).where(backlog_counts.c.counted_at.is_not(None))
    return connection.scalar(stored) is not None


def forget(connection: Connection) -> None:
    """Remove the stored count: so few orders wait that each snapshot counts them."""
    connection.execute(update(backlog_counts).values(counted_at=None, numbers=None))
