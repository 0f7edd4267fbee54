"""What the contract of the stores does not see of a database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from breakwall.breaker.stores import ABSENT
from breakwall.breaker.stores.sql import SQLStore, circuits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLStore]:
    store = SQLStore(f"sqlite:///{tmp_path / 'circuits.db'}")
    store.load("payment")
    yield store
    store.close()


@pytest.fixture
def statements(store: SQLStore) -> list[str]:
    seen: list[str] = []
    sa.event.listen(store._engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    return seen


def test_a_swap_that_wins_is_one_round_trip(store: SQLStore, statements: list[str]) -> None:
    store.swap("payment", ABSENT, "v1", "one")
    store.swap("payment", "v1", "v2", "two")
    assert len(statements) == 2


def test_a_load_is_one_round_trip(store: SQLStore, statements: list[str]) -> None:
    store.load("payment")
    assert len(statements) == 1


def test_a_table_that_has_gone_is_made_again(store: SQLStore) -> None:
    """The file was replaced, or a database restored that never had it."""
    with store._engine.connect() as connection:
        circuits.drop(connection)
    with contextlib.suppress(DBAPIError):
        store.load("payment")
    assert store.load("payment").text is None


@pytest.mark.parametrize("database", ["mysql", "oracle", "firebird"])
def test_another_database_is_refused_by_name(database: str) -> None:
    with pytest.raises(ValueError, match=f"should be SQLite or PostgreSQL .*, not '{database}'"):
        SQLStore(f"{database}://db/x")


def test_a_database_without_returning_swaps_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlalchemy.dialects.sqlite.base.SQLiteDialect.update_returning", False)
    store = SQLStore(f"sqlite:///{tmp_path / 'old.db'}")
    won, first = store.swap("payment", ABSENT, "v1", "one")
    assert (won, first.text) == (True, "one")
    won, second = store.swap("payment", "v1", "v2", "two")
    assert (won, second.text) == (True, "two")
    assert second.now == pytest.approx(store.load("payment").now, abs=5)
    assert store.swap("payment", "v1", "v3", "three")[0] is False
