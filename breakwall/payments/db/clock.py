"""The database's clock, as SQL: due times, leases and key ages do not depend on a host's clock."""

from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import BindParameter, ColumnElement, DateTime, Dialect, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC: ``timestamptz`` on PostgreSQL, sortable text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Clock(Protocol):
    """Where the ledger reads the time; tests pass a clock that they set."""

    def after(self, seconds: float | BindParameter[float]) -> ColumnElement[datetime]:
        """The moment ``seconds`` from now (negative: ago), as an SQL expression.

        "Now" is when the statement is executed, so that a statement can be built once. Then a parameter stands for the
        seconds (`statements.seconds`).
        """
        ...


class DatabaseClock:
    """The clock of the server that runs the statement."""

    def after(self, seconds: float | BindParameter[float]) -> ColumnElement[datetime]:
        given = seconds if isinstance(seconds, BindParameter) else literal(float(seconds), _SECONDS)
        return _DatabaseTime(given)


DATABASE_CLOCK = DatabaseClock()

# One object for all: SQLAlchemy inspects each new type, which is a fifth of the cost of building a statement.
_SECONDS = Float()


class _DatabaseTime(FunctionElement[datetime]):
    inherit_cache = True
    type = UtcDateTime()


def seconds_between(since: datetime | None, until: datetime | None) -> float:
    """From one moment to a later one; 0.0 where one is missing, or they are not in that order."""
    return 0.0 if since is None or until is None else max(0.0, (until - since).total_seconds())


@compiles(_DatabaseTime, "postgresql")
def _postgresql(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(_DatabaseTime, "sqlite")
def _sqlite(element: _DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # SQLAlchemy stores microseconds; SQLite's own clock gives milliseconds.
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"


class elapsed(FunctionElement[float]):  # noqa: N801 - it is called as a function is
    """The seconds from one moment to another, as an SQL expression; on SQLite to a millisecond."""

    inherit_cache = True
    type = _SECONDS


@compiles(elapsed, "postgresql")
def _postgresql_elapsed(element: elapsed, compiler: SQLCompiler, **kw: Any) -> str:
    since, until = (compiler.process(moment, **kw) for moment in element.clauses)
    return f"CAST(extract(epoch from ({until} - {since})) AS double precision)"


@compiles(elapsed, "sqlite")
def _sqlite_elapsed(element: elapsed, compiler: SQLCompiler, **kw: Any) -> str:
    since, until = (compiler.process(moment, **kw) for moment in element.clauses)
    return f"((julianday({until}) - julianday({since})) * 86400.0)"
