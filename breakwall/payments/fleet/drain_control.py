"""What operators have decided for the drain of the whole fleet: paused or not, and the highest rate.

The drain is what the workers do with waiting orders. A customer's order is tried at once also while it is paused.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, delete, insert, or_, select, update

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.schema import drain_actions, drain_control, released_orders
from breakwall.payments.interventions import Author, DrainAction

_ROW = drain_control.c.id == 1


@dataclass(frozen=True, slots=True)
class Pause:
    """The drain is paused: workers send no waiting order, except released ones."""

    actor: str
    reason: str | None
    at: (
        datetime | None
    )  # Aware, in UTC. It stays the same while the pause lasts, also if a person pauses it again.
    until: datetime | None = None  # When it ends by itself; None: when a person resumes the drain.


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The drain of the whole fleet sends at most so many orders a second."""

    per_second: float
    actor: str
    reason: str | None
    at: datetime  # Aware, in UTC.


@dataclass(frozen=True, slots=True)
class DrainState:
    """What operators have decided; nothing by default."""

    paused: Pause | None = None
    rate: RateLimit | None = None


def read_state(connection: Connection, clock: Clock) -> DrainState:
    """What holds now, by the database's clock, within a running transaction."""
    lasts = or_(drain_control.c.paused_until.is_(None), drain_control.c.paused_until > clock.after(0))
    row = connection.execute(select(drain_control, case((lasts, True), else_=False).label("lasts"))).first()
    if row is None:
        return DrainState()
    paused = Pause(row.paused_by, row.pause_reason, row.paused_at, row.paused_until)
    rate = RateLimit(row.rate, row.rate_by, row.rate_reason, row.rate_at) if row.rate is not None else None
    return DrainState(paused if row.paused_at is not None and row.lasts else None, rate)


def effective_rate(state: DrainState, setting: float | None) -> float | None:
    """The lower of `queue rate` and the setting RETRY__MAX_RATE, in orders a second; None: no limit."""
    limits = (None if state.rate is None else state.rate.per_second, setting)
    return min((limit for limit in limits if limit is not None), default=None)


class DrainControl:
    """Reads and changes the drain's state. Each change is one transaction, with a row in ``drain_actions``.

    Every method returns what holds afterwards. Raises `DatabaseUnavailableError`.
    """

    def __init__(self, database: Database, *, clock: Clock = DATABASE_CLOCK) -> None:
        self._database = database
        self._clock = clock

    def read(self) -> DrainState:
        return self._database.read(lambda connection: read_state(connection, self._clock))

    def pause(self, author: Author, lasting: float | None = None) -> DrainState:
        """Pause the drain, for ``lasting`` seconds or until it is resumed.

        A pause that lasts gets the new author, reason and end; its beginning and the released orders stay.
        """

        def work(connection: Connection) -> DrainState:
            paused = self._lock(connection).paused
            until = None if lasting is None else self._clock.after(lasting)
            self._update(
                connection,
                paused_at=drain_control.c.paused_at if paused else self._clock.after(0),
                paused_until=until,
                paused_by=author.actor,
                pause_reason=author.reason,
            )
            if not paused:
                connection.execute(delete(released_orders))
            self._record(connection, DrainAction.PAUSE, author, until=until)
            return read_state(connection, self._clock)

        return self._change(work)

    def resume(self, author: Author) -> DrainState:
        """End the pause. Without one, nothing changes and nothing is recorded."""

        def work(connection: Connection) -> DrainState:
            if self._lock(connection).paused:
                self._update(connection, paused_at=None, paused_until=None, paused_by=None, pause_reason=None)
                connection.execute(delete(released_orders))
                self._record(connection, DrainAction.RESUME, author)
            return read_state(connection, self._clock)

        return self._change(work)

    def set_rate(self, author: Author, per_second: float | None) -> DrainState:
        """Limit the drain to so many orders a second, more than 0; None lifts the limit."""

        def work(connection: Connection) -> DrainState:
            before, limited = self._lock(connection), per_second is not None
            if limited or before.rate is not None:
                self._update(
                    connection,
                    rate=per_second,
                    rate_at=self._clock.after(0) if limited else None,
                    rate_by=author.actor if limited else None,
                    rate_reason=author.reason if limited else None,
                )
                self._record(connection, DrainAction.RATE, author, rate=per_second)
            return read_state(connection, self._clock)

        return self._change(work)

    def _change(self, work: Any) -> DrainState:
        # No crash point: no order changes.
        state: DrainState = self._database.write(work, name="drain_control")
        return state

    def _lock(self, connection: Connection) -> DrainState:
        """The state, which no other transaction changes before this one ends."""
        connection.execute(insert_missing(connection.dialect.name, drain_control).values(id=1))
        connection.execute(select(drain_control.c.id).where(_ROW).with_for_update())
        return read_state(connection, self._clock)

    def _update(self, connection: Connection, **columns: object) -> None:
        connection.execute(update(drain_control).where(_ROW).values(columns))

    def _record(self, connection: Connection, action: DrainAction, author: Author, **columns: object) -> None:
        made = {"at": self._clock.after(0), "action": action, "actor": author.actor, "reason": author.reason}
        connection.execute(insert(drain_actions).values(**made, **columns))
