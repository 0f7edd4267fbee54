"""Many rows as one parameter of a statement that is always the same.

With a VALUES list, a statement would have a text of its own for each number of rows, and would be compiled and parsed
for each. That costs more than the rows.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import FromClause, Table, Text, bindparam, cast, column, func, select, type_coerce
from sqlalchemy.dialects.postgresql import JSON


def given_rows(dialect: str, table: Table, names: Sequence[str]) -> FromClause:
    """A table of the rows in the parameter `row_parameter`, with the columns ``names`` of ``table``."""
    rows = bindparam("given_rows", type_=Text())
    if dialect == "postgresql":
        columns = [column(name, table.c[name].type) for name in names]
        found = func.json_to_recordset(cast(rows, JSON)).table_valued(*columns, name="given")
        return found.render_derived(with_types=True)
    each = func.json_each(rows).table_valued("value", name="each")
    return select(
        *(
            type_coerce(func.json_extract(each.c.value, f"$.{name}"), table.c[name].type).label(name)
            for name in names
        )
    ).subquery("given")


def row_parameter(rows: Sequence[dict[str, Any]], dialect: str) -> dict[str, str]:
    """The parameter for `given_rows`: rows of texts, whole numbers and aware moments."""

    def moment(value: datetime) -> str:
        # SQLite compares moments as texts, so they have the form in which SQLAlchemy stores them.
        zone = UTC if dialect == "postgresql" else None
        return value.astimezone(UTC).replace(tzinfo=zone).isoformat(" ", "microseconds")

    # As UTF-8, because a PostgreSQL with another encoding refuses the escapes of JSON.
    return {"given_rows": json.dumps(rows, ensure_ascii=False, default=moment)}
