"""Messages that are none of ours are kept readable, and bounded in number and size, on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.fleet.strange_messages import (
    KEPT,
    LONGEST,
    StoredStrange,
    Strange,
    clear,
    count_by_reason,
    keep,
    newest,
)


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    upgrade(database.engine)
    yield database
    database.close()


def kept(database: Database, limit: int = 2000) -> list[StoredStrange]:
    return database.read(lambda connection: newest(connection, limit=limit))


@pytest.mark.parametrize(
    ("body", "shown", "size"),
    [
        (b"\xff\x00\x1b", "\\xff\\x00\\x1b", 3),
        ("a\nb\ud800\u202e", "a\\nb\\xed\\xa0\\x80\\u202e", 9),
        ({"a": [1, None]}, '{"a": [1, null]}', 16),
        (None, "", 0),
        (memoryview(b"x"), "x", 1),
    ],
)
def test_whatever_it_is_it_can_be_kept_and_read(
    database: Database, body: object, shown: str, size: int
) -> None:
    keep(database, [Strange("it is no JSON\n", {"headers": {"a": b"\x00"}}, body)])
    (found,) = kept(database)
    assert (found.body, found.size, found.reason) == (shown, size, "it is no JSON\\n")


def test_a_large_one_is_cut_and_its_size_is_kept(database: Database) -> None:
    keep(database, [Strange("it is too large", None, b"x" * 10_000_000)])
    (found,) = kept(database)
    assert (len(found.body), found.size) == (LONGEST, 10_000_000)


def test_the_newest_are_kept(database: Database) -> None:
    for start in range(0, KEPT + 100, 550):
        keep(database, [Strange("r", None, str(start + number)) for number in range(550)])
    found = kept(database)
    assert len(found) == KEPT
    assert found[0].body == "1099"
    assert database.read(count_by_reason) == {"r": KEPT}


def test_they_are_forgotten_when_somebody_has_seen_them(database: Database) -> None:
    keep(database, [Strange("seen", None, b"")])
    seen = kept(database)[0].id
    keep(database, [Strange("new", None, b"")])
    assert clear(database, seen) == 1
    assert [message.reason for message in kept(database)] == ["new"]
    assert clear(database) == 1
