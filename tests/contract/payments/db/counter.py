"""A table with one number, for transactions that read and change it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from breakwall.payments.db.database import Database


def count(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT n FROM counter")) or 0)


def with_counter(url: str) -> Database:
    database = Database(url)
    database.write(
        lambda connection: connection.execute(text("CREATE TABLE counter (n INTEGER)")), name="test"
    )
    database.write(lambda connection: connection.execute(text("INSERT INTO counter VALUES (0)")), name="test")
    return database
