"""What keeps the databases' planners on the indexes that are meant; `test_query_plans.py` asks them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def once(moment: ColumnElement[datetime]) -> ScalarSelect[datetime]:
    """A moment that is worked out once a statement, for conditions on an indexed time.

    PostgreSQL looks nothing up in an index by a clock that moves on from row to row: it would walk all rows to
    find that none is due. Not for what must be true after a wait for a lock: the moment is the statement's start.
    """
    return select(moment).scalar_subquery()


class most_likely(FunctionElement[Any]):  # noqa: N801 - it is called as a function is
    """A condition that nothing should be looked up by, such as that of a partial index.

    SQLite takes any state for a rare one until somebody runs ANALYZE. It would look all orders of that state up
    and sort them to find a few by their time.
    """

    inherit_cache = True  # And no type: SQLAlchemy would compare a boolean with 1, for SQLite.


@compiles(most_likely)
def _condition(element: most_likely, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(most_likely, "sqlite")
def _with_likelihood(element: most_likely, compiler: SQLCompiler, **kw: Any) -> str:
    return f"likelihood({compiler.process(element.clauses, **kw)}, 0.99)"
