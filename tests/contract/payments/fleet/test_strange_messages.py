"""Strange messages are stored readable, and limited in number and size, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.fleet.strange_messages import (
    MAX_BODY_BYTES,
    MAX_KEPT,
    StoredStrangeMessage,
    clear,
    count_by_reason,
    newest,
    store_messages,
)


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    upgrade(database.engine)
    yield database
    database.close()


def kept(database: Database, limit: int = 2000) -> list[StoredStrangeMessage]:
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
def test_any_message_can_be_kept_and_read(database: Database, body: object, shown: str, size: int) -> None:
    store_messages(database, [("it is no JSON\n", {"headers": {"a": b"\x00"}}, body)])
    (found,) = kept(database)
    assert (found.body, found.size, found.reason) == (shown, size, "it is no JSON\\n")


def test_a_large_message_is_cut_and_its_size_is_kept(database: Database) -> None:
    store_messages(database, [("it is too large", None, b"x" * 10_000_000)])
    (found,) = kept(database)
    assert (len(found.body), found.size) == (MAX_BODY_BYTES, 10_000_000)


def test_the_newest_are_kept(database: Database) -> None:
    for start in range(0, MAX_KEPT + 100, 550):
        store_messages(database, [("r", None, str(start + number)) for number in range(550)])
    found = kept(database)
    assert len(found) == MAX_KEPT
    assert found[0].body == "1099"
    assert database.read(count_by_reason) == {"r": MAX_KEPT}


def test_messages_are_deleted_up_to_the_newest_that_was_seen(database: Database) -> None:
    store_messages(database, [("seen", None, b"")])
    seen = kept(database)[0].id
    store_messages(database, [("new", None, b"")])
    assert clear(database, seen) == 1
    assert [message.reason for message in kept(database)] == ["new"]
    assert clear(database) == 1
