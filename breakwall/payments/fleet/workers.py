"""Which workers are alive: a row for each, which it writes again and again while it runs.

Where the table is not there yet (a database at revision 0004) nobody can tell: that is None here, never "none".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, inspect, or_, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import workers
from breakwall.texts import MAX_LENGTH, visible

BEAT = 10.0
"""Seconds between two signs of life: six short transactions a minute for each worker."""

DEAD_AFTER = 45.0
"""Seconds without one, by the database's clock, after which a worker is taken for dead: three are missed, and the
next had all the time that the longest transaction may take."""

KEPT = 3600.0
"""Seconds for which a worker that went silent is still shown."""

MOST_SILENT = 100
"""Silent workers that are kept at most, the newest: one that crashes at each start leaves a row each time."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a worker is. All texts are cut to what is stored.

    Attributes:
        id: made at each start.
        name: its node name, such as ``celery@web-1``.
        slots: orders that it works on at once.
        reads: the newest form of messages that it reads.
    """

    id: str
    name: str
    host: str
    pid: int
    slots: int
    version: str
    reads: int


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as the database knows it. Times are aware, in UTC; durations are seconds by its clock.

    Attributes:
        lacks: what it has run out of, in a sentence; None for nothing.
        started_at, seen_at: its start, its last sign of life.
        idle_since: when it last worked on an order, or the circuit last held it back; None if neither ever.
        alive: whether its last sign is younger than `DEAD_AFTER`.
        up_seconds: from its start to now, or to its last sign if it went silent.
        silent_seconds: since its last sign.
        idle_seconds: since ``idle_since``, or since its start without one.
    """

    id: str
    name: str
    host: str
    pid: int
    slots: int
    version: str
    reads: int
    lacks: str | None
    started_at: datetime
    seen_at: datetime
    idle_since: datetime | None
    alive: bool
    up_seconds: float
    silent_seconds: float
    idle_seconds: float


def live_workers(connection: Connection, clock: Clock) -> list[Worker] | None:
    """The workers that are alive, first started first; None where nobody can tell."""
    found = known_workers(connection, clock)
    return None if found is None else [worker for worker in found if worker.alive]


def known_workers(connection: Connection, clock: Clock) -> list[Worker] | None:
    """The same, with those that went silent within `KEPT` after them."""
    if not is_noted(connection):
        return None
    now = clock.after(0)
    wanted = (
        select(workers, now.label("now"), is_alive(clock).label("alive"))
        .where(or_(is_alive(clock), workers.c.seen_at >= clock.after(-KEPT)))
        .order_by(workers.c.started_at, workers.c.id)
    )
    found = [_worker(row._mapping) for row in connection.execute(wanted)]
    return sorted(found, key=lambda worker: not worker.alive)


def is_noted(connection: Connection) -> bool:
    """Whether this database has the table."""
    return inspect(connection).has_table(workers.name)


def note_alive(
    connection: Connection,
    clock: Clock,
    who: Identity,
    *,
    lacks: str | None = None,
    idle: float | None = None,
) -> None:
    """Write a worker's sign of life; its first one also clears away workers that are long gone.

    Args:
        lacks: what it has run out of, in a sentence.
        idle: seconds since it last worked on an order, or the circuit held it back; None if neither ever.
    """
    signs: dict[str, Any] = {
        "seen_at": clock.after(0),
        "lacks": None if lacks is None else visible(lacks),
        "idle_since": None if idle is None else clock.after(-idle),
    }
    written = connection.execute(update(workers).where(workers.c.id == who.id).values(signs))
    if written.rowcount == 0:
        connection.execute(insert(workers).values(**_stored(who), started_at=clock.after(0), **signs))
        _clear_away(connection, clock)


def note_stopped(connection: Connection, worker_id: str) -> None:
    """Take a worker's row away: it has ended as it should."""
    connection.execute(delete(workers).where(workers.c.id == worker_id))


def _clear_away(connection: Connection, clock: Clock) -> None:
    newest = (
        select(workers.c.id)
        .where(~is_alive(clock), workers.c.seen_at >= clock.after(-KEPT))
        .order_by(workers.c.seen_at.desc())
        .limit(MOST_SILENT)
    )
    connection.execute(delete(workers).where(~is_alive(clock), workers.c.id.not_in(newest)))


def is_alive(clock: Clock) -> ColumnElement[bool]:
    """Whether a row's last sign of life is younger than `DEAD_AFTER`."""
    # Also nobody who was seen long from now: the clock was set back since, and a live one is seen again.
    return workers.c.seen_at.between(clock.after(-DEAD_AFTER), clock.after(DEAD_AFTER))


def _stored(who: Identity) -> dict[str, Any]:
    return {
        "id": who.id,
        "name": _short(who.name, MAX_LENGTH),
        "host": _short(who.host, MAX_LENGTH),
        "pid": who.pid,
        "slots": who.slots,
        "version": _short(who.version, 32),
        "reads": who.reads,
    }


def _short(text: str, limit: int) -> str:
    return visible(text)[:limit]


def _worker(row: Any) -> Worker:
    values = dict(row)
    now, alive = values.pop("now"), bool(values.pop("alive"))
    return Worker(
        **values,
        alive=alive,
        up_seconds=_between(row["started_at"], now if alive else row["seen_at"]),
        silent_seconds=_between(row["seen_at"], now),
        idle_seconds=_between(row["idle_since"] or row["started_at"], now),
    )


def _between(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
