"""The parameters of a statement for many orders: ids, or rows of several columns, in one parameter each.

So a statement is built once, whatever the number of its orders is.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    FromClause,
    Text,
    bindparam,
    cast,
    func,
    select,
    types,
)
from sqlalchemy.types import TypeEngine

Columns = Mapping[str, TypeEngine[Any]]
"""The types of the columns by name."""


def given_rows(columns: Columns, dialect: str) -> FromClause:
    """The rows that `row_parameters` gives a statement, as a table ``given``."""
    if dialect == "postgresql":
        arrays = [bindparam(f"given_{name}", type_=ARRAY(type_)) for name, type_ in columns.items()]
        return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
    rows = func.json_each(bindparam("given", type_=Text())).table_valued("value", name="given_json")
    values = [
        cast(func.json_extract(rows.c.value, f"$[{place}]"), type_).label(name)
        for place, (name, type_) in enumerate(columns.items())
    ]
    return select(*values).subquery("given")


def row_parameters(columns: Columns, rows: Sequence[Sequence[Any]], connection: Connection) -> dict[str, Any]:
    """The parameters for `given_rows`. Each row has the values of ``columns`` in their order."""
    if connection.dialect.name == "postgresql":
        return {f"given_{name}": [row[place] for row in rows] for place, name in enumerate(columns)}
    return {"given": json.dumps([list(row) for row in rows], ensure_ascii=False)}


def one_of_ids(column: ColumnElement[str], dialect: str) -> ColumnElement[bool]:
    """The condition that a column has one of the ids that `id_parameters` gives."""
    if dialect == "postgresql":
        return column == func.any(bindparam("ids", type_=ARRAY(types.String())))
    ids = func.json_each(bindparam("ids", type_=Text())).table_valued("value", name="ids")
    return column.in_(select(ids.c.value))


def id_parameters(ids: Sequence[str], connection: Connection) -> dict[str, Any]:
    """The parameter for `one_of_ids`."""
    return {"ids": list(ids) if connection.dialect.name == "postgresql" else json.dumps(list(ids))}
