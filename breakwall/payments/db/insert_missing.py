"""An INSERT that skips existing rows, in the dialect of the database."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(dialect: str, table: Table) -> Any:
    """An INSERT into ``table`` with ON CONFLICT DO NOTHING, whichever column the conflict is on.

    ``dialect``: the name of the connection's.
    """
    module = postgresql if dialect == "postgresql" else sqlite
    return module.insert(table).on_conflict_do_nothing()
