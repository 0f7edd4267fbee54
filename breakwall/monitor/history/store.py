"""Reads and writes the rows of the history, within a running transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from breakwall.monitor.history.sample import Sample
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.operator_tables import backlog_samples
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.revisions import has_table

_at = backlog_samples.c.at


def exists_here(connection: Connection) -> bool:
    """Whether the database has the table: not before revision 0008."""
    return has_table(connection, backlog_samples.name)


FUTURE = 60.0  # Seconds. A later sample is from before the database's clock was set back.


def newest_at(connection: Connection, clock: Clock) -> datetime | None:
    """When the newest sample was taken; None without any."""
    past = select(_at).where(_at <= once(clock.after(FUTURE)))
    newest: datetime | None = connection.scalar(past.order_by(_at.desc()).limit(1))
    return newest


def remove_future(connection: Connection, clock: Clock) -> None:
    """Delete the samples that a clock before has dated later than this one."""
    connection.execute(delete(backlog_samples).where(_at > once(clock.after(FUTURE))))


def add(connection: Connection, samples: Sequence[Sample]) -> None:
    rows = [{"at": one.at, "span": one.span, "numbers": one.numbers()} for one in samples]
    connection.execute(insert(backlog_samples), rows)


def remove(connection: Connection, moments: Sequence[datetime]) -> None:
    connection.execute(delete(backlog_samples).where(_at.in_(moments)))


def remove_before(connection: Connection, clock: Clock, seconds: float) -> None:
    """Delete the samples of more than so many seconds ago."""
    connection.execute(delete(backlog_samples).where(_at < once(clock.after(-seconds))))


def between(connection: Connection, since: datetime, until: datetime) -> list[Sample]:
    """The samples after ``since`` and up to ``until``, first to last."""
    return _read(connection, _at > since, _at <= until)


def of_last(connection: Connection, clock: Clock, seconds: float) -> list[Sample]:
    """The samples of the last seconds, first to last; none if there is no table."""
    if not exists_here(connection):
        return []
    # A sample of the far future does not count: the database's clock was set back.
    return _read(connection, _at >= once(clock.after(-seconds)), _at <= once(clock.after(seconds)))


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> list[Sample]:
    columns = (backlog_samples.c.at, backlog_samples.c.span, backlog_samples.c.numbers)
    wanted = select(*columns).where(*conditions).order_by(_at)
    return [Sample.stored(row.at, row.span, row.numbers) for row in connection.execute(wanted)]
