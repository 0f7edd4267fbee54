"""An INSERT that skips existing rows, in the dialect of the database."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table) -> Any:
    """An INSERT into ``table`` with ON CONFLICT DO NOTHING, whichever column the conflict is on."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()
