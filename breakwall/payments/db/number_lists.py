"""A condition that a column has one of many numbers, which are one parameter.

An IN list has a parameter for each number. SQLAlchemy and the driver write out a list of 200 anew for each statement,
which takes longer than the statement itself. `ledger.batch_rows` does the same for ids, which are texts.
"""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType


class _BigintArray(UserDefinedType[str]):
    """PostgreSQL's array, from its literal: the driver would write each number by itself."""

    cache_ok = True
    render_bind_cast = True  # As a cast from VARCHAR it would not be a constant for the planner.

    def get_col_spec(self, **kw: Any) -> str:
        return "BIGINT[]"


class _Numbers(TypeDecorator[list[int]]):
    """Numbers as text: a literal of an array for PostgreSQL, JSON for SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _BigintArray() if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> str:
        listed = json.dumps(list(value or ()))
        return listed.replace("[", "{").replace("]", "}") if dialect.name == "postgresql" else listed


class _IsOneOf(FunctionElement[Any]):
    inherit_cache = True  # And no type: SQLAlchemy would compare a boolean with 1, for SQLite.


@compiles(_IsOneOf, "postgresql")
def _in_array(element: _IsOneOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, listed = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} = ANY ({listed}))"


@compiles(_IsOneOf, "sqlite")
def _in_json(element: _IsOneOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, listed = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({listed})))"  # noqa: S608 - it has no input


def numbers(name: str) -> BindParameter[list[int]]:
    """A parameter for `is_one_of`, given as a list at the execution."""
    return bindparam(name, type_=_Numbers())


def is_one_of(column: ColumnElement[int], chosen: BindParameter[list[int]]) -> ColumnElement[Any]:
    """Whether ``column`` has one of the numbers; see `numbers`."""
    return _IsOneOf(column, chosen)
