"""Hints that keep the query planners on the intended indexes; `test_query_hints.py` checks it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def once(moment: ColumnElement[datetime]) -> ScalarSelect[datetime]:
    """A moment that is evaluated once per statement, for conditions on an indexed time.

    PostgreSQL uses no index for a clock that advances from row to row, and would read all rows. The moment is the
    statement's start: do not use it for what must be true after a wait for a lock.
    """
    return select(moment).scalar_subquery()


def read_in_index_order(connection: Connection) -> None:
    """Until this transaction ends, the first rows in an index's order are found by that index.

    Until ANALYZE has run, PostgreSQL too assumes that every state is rare, whatever a condition says: it would read
    and sort all orders of the state, to find the first thousands.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_NO_SORT)


# Without an index PostgreSQL still sorts. Up to version 17 it takes such a sort for so dear that it compiles the
# statement, which takes tenths of a second.
_NO_SORT = "SET LOCAL enable_sort = off; SET LOCAL jit = off"


class likely(FunctionElement[Any]):  # noqa: N801 - it is called as a function is
    """A condition that is not for index selection, such as the condition of a partial index.

    Until ANALYZE has run, SQLite assumes that every state is rare: it would read and sort all orders of the state, to
    find a few by their time.
    """

    inherit_cache = True  # And no type: SQLAlchemy would compare a boolean with 1, for SQLite.


@compiles(likely)
def _condition(element: likely, compiler: SQLCompiler, **kw: Any) -> str:
    # In brackets: an OR inside would take in what stands beside it.
    return f"({compiler.process(element.clauses, **kw)})"


@compiles(likely, "sqlite")
def _with_likelihood(element: likely, compiler: SQLCompiler, **kw: Any) -> str:
    return f"likelihood({compiler.process(element.clauses, **kw)}, 0.99)"
