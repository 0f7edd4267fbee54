"""An INSERT that skips existing rows, in the dialect of the database."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(database: Connection | str, table: Table) -> Any:
    """An INSERT into ``table`` with ON CONFLICT DO NOTHING, whichever column the conflict is on.

    ``database``: a connection to it, or the name of its dialect.
    """
    name = database if isinstance(database, str) else database.dialect.name
    dialect = postgresql if name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()
