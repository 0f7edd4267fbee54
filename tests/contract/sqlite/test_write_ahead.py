"""Several processes that open a new SQLite file at the same time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from breakwall.breaker import store_from_url
from tests.contract.payments.db.counter import with_counter


class Contested(sqlite3.Connection):
    """A connection to a new file that several processes make ready at once: SQLite gives up twice."""

    refusals = 0

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if "journal_mode=WAL" in sql and Contested.refusals:
            Contested.refusals -= 1
            raise sqlite3.OperationalError("database is locked")
        return super().execute(sql, *args)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(with_counter, id="orders"),
        pytest.param(lambda url: store_from_url(url).load("payment"), id="breaker-store"),
    ],
)
def test_several_processes_can_open_a_new_file_at_once(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[str], object]
) -> None:
    monkeypatch.setattr(sqlite3.dbapi2, "connect", partial(sqlite3.connect, factory=Contested))
    monkeypatch.setattr(Contested, "refusals", 2)
    use(sqlite_url)
    assert Contested.refusals == 0
