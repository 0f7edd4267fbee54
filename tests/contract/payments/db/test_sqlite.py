"""A reader beside a writer on SQLite."""

from __future__ import annotations

import sqlite3

from tests.contract.payments.db.counter import count, with_counter


def test_a_reader_does_not_wait_for_a_writer_on_sqlite(sqlite_url: str) -> None:
    database = with_counter(sqlite_url)
    writer = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert database.read(count) == 0
    writer.close()
    database.close()
