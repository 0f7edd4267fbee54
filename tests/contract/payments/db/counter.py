"""A table with one number, for transactions that read and change it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from breakwall.payments.db.database import Database


def with_counter(url: str) -> Database:
    """The database at the URL, with a counter that is 0."""
    database = Database(url)
    database.write(lambda connection: connection.execute(text("CREATE TABLE counter AS SELECT 0 AS n")))
    return database


def count(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT n FROM counter")) or 0)


def increment(connection: Connection) -> None:
    connection.execute(text("UPDATE counter SET n = n + 1"))
