"""Which workers are alive: each writes a heartbeat into its row while it runs."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.schema import workers
from breakwall.texts import MAX_LENGTH, visible

HEARTBEAT_INTERVAL = 10.0  # Seconds between two heartbeats: six short transactions a minute for each worker.
# Seconds without a heartbeat, by the database's clock, after which a worker counts as dead: three heartbeats are
# missing, and the longest transaction would be over.
DEAD_AFTER = 45.0
SILENT_SHOWN_FOR = 3600.0  # Seconds for which a silent worker is still shown.
MAX_SILENT = 100  # Silent workers that are kept: a worker that crashes at each start leaves a row each time.


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process a worker is. Its texts are cut to what the columns hold."""

    id: str  # A new one at each start.
    name: str  # Its node name, such as ``celery@web-1``.
    host: str
    pid: int
    slots: int  # Orders that it works on at once.
    version: str
    reads: int  # The newest form of messages that it reads.
    # Of these, None is unknown.
    gateway: str | None = field(default=None, kw_only=True)  # The one that it charges by.
    broker: str | None = field(
        default=None, kw_only=True
    )  # The address that it reads from, without a password.
    ways: tuple[str, ...] | None = field(
        default=None, kw_only=True
    )  # To the shop, as in `OutcomeSettings.ways`.


@dataclass(frozen=True, slots=True)
class Worker(Identity):
    """A worker as the database knows it. Times are aware, in UTC; durations are by the database's clock."""

    lacks: str | None  # A sentence that names the exhausted resource.
    started_at: datetime
    seen_at: datetime  # Its last heartbeat.
    # When it last worked on an order, or the circuit last stopped it; None: never.
    idle_since: datetime | None
    alive: bool  # Whether its last heartbeat is younger than `DEAD_AFTER`.
    up_seconds: float  # From its start to now, or to its last heartbeat if it is silent.
    silent_seconds: float  # Since its last heartbeat.
    idle_seconds: float  # Since ``idle_since``, or without it since the start.
    # Whether it starts no payment now, because the payment service hangs: too many of its calls are overdue.
    hanging: bool = False


def live_workers(connection: Connection, clock: Clock) -> list[Worker]:
    """The live workers, in the order of their start."""
    return [worker for worker in known_workers(connection, clock) if worker.alive]


def known_workers(connection: Connection, clock: Clock) -> list[Worker]:
    """The live workers, then those that fell silent within `SILENT_SHOWN_FOR`."""
    now = clock.after(0)
    wanted = (
        select(workers, now.label("now"), is_alive(clock).label("alive"))
        .where(or_(is_alive(clock), workers.c.seen_at >= clock.after(-SILENT_SHOWN_FOR)))
        .order_by(workers.c.started_at, workers.c.id)
    )
    found = [_worker(row._mapping) for row in connection.execute(wanted)]
    return sorted(found, key=lambda worker: not worker.alive)


def record_heartbeat(
    connection: Connection,
    clock: Clock,
    worker: Identity,
    *,
    lacks: str | None = None,
    idle: float | None = None,
    hanging: bool = False,
) -> None:
    """Write a worker's heartbeat. The first one also deletes long silent workers.

    ``lacks`` is a sentence that names the exhausted resource; ``idle`` the seconds since ``Worker.idle_since``;
    ``hanging`` is as in `Worker`.
    """
    state: dict[str, Any] = {
        "seen_at": clock.after(0),
        "lacks": None if lacks is None else visible(lacks),
        "idle_since": None if idle is None else clock.after(-idle),
        "hanging": hanging,
    }
    written = connection.execute(update(workers).where(workers.c.id == worker.id).values(state))
    if written.rowcount == 0:
        connection.execute(insert(workers).values(**_stored(worker), started_at=clock.after(0), **state))
        _delete_long_silent(connection, clock)


def remove_worker(connection: Connection, worker_id: str) -> None:
    """Delete the row of a worker that ends normally."""
    connection.execute(delete(workers).where(workers.c.id == worker_id))


def is_alive(clock: Clock) -> ColumnElement[bool]:
    """Whether a row's last heartbeat is younger than `DEAD_AFTER`."""
    # A heartbeat in the far future does not count: the clock was set back, and a live worker writes a new heartbeat.
    return workers.c.seen_at.between(clock.after(-DEAD_AFTER), clock.after(DEAD_AFTER))


def _delete_long_silent(connection: Connection, clock: Clock) -> None:
    newest = (
        select(workers.c.id)
        .where(~is_alive(clock), workers.c.seen_at >= clock.after(-SILENT_SHOWN_FOR))
        .order_by(workers.c.seen_at.desc())
        .limit(MAX_SILENT)
    )
    connection.execute(delete(workers).where(~is_alive(clock), workers.c.id.not_in(newest)))


def _stored(worker: Identity) -> dict[str, Any]:
    limits = {"name": MAX_LENGTH, "host": MAX_LENGTH, "version": 32}
    values = asdict(worker)
    ways = None if worker.ways is None else " ".join(worker.ways)
    broker = None if worker.broker is None else visible(worker.broker)
    cut = {field: visible(values[field])[:limit] for field, limit in limits.items()}
    return {**values, **cut, "broker": broker, "ways": ways}


def _worker(row: Any) -> Worker:
    values = dict(row)
    now, alive = values.pop("now"), bool(values.pop("alive"))
    ways = values["ways"]
    told = {"hanging": bool(values["hanging"]), "ways": None if ways is None else tuple(ways.split())}
    return Worker(
        **{**values, **told},
        alive=alive,
        up_seconds=seconds_between(row["started_at"], now if alive else row["seen_at"]),
        silent_seconds=seconds_between(row["seen_at"], now),
        idle_seconds=seconds_between(row["idle_since"] or row["started_at"], now),
    )
