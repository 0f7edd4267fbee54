"""One parameter stands for many numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select, text

from breakwall.payments.db.database import Database
from breakwall.payments.db.number_lists import is_one_of, numbers
from breakwall.payments.db.schema import outcomes

CHOSEN = select(outcomes.c.id).where(is_one_of(outcomes.c.id, numbers("chosen"))).order_by(outcomes.c.id)
LARGE = 2**62


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.close()


def insert_some(connection: Connection) -> None:
    for number in (1, 2, 3, LARGE):
        connection.execute(
            text(
                "INSERT INTO outcomes (id, order_id, status, retry_count, at) "
                "VALUES (:id, 'o', 'paid', 0, '2026-11-29 10:00:00.000000')"
            ),
            {"id": number},
        )


@pytest.mark.parametrize(
    ("chosen", "found"), [([3, 1, 7], [1, 3]), ([LARGE], [LARGE]), ([], []), (list(range(3, 2000)), [3])]
)
def test_the_rows_with_these_numbers_are_found(
    database: Database, chosen: list[int], found: list[int]
) -> None:
    def work(connection: Connection) -> list[int]:
        insert_some(connection)
        return list(connection.scalars(CHOSEN, {"chosen": chosen}))

    assert database.write(work) == found
