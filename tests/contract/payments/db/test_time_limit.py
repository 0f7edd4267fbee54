"""A read that takes too long is given up, and the next one is not limited."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.time_limit import TimeLimit

LONG = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")

pytestmark = pytest.mark.both_databases


@pytest.fixture
def database(migrated_url: str) -> Database:
    return Database(migrated_url, pool_size=1)


def test_what_is_read_in_time_is_returned(database: Database) -> None:
    assert TimeLimit(30).read(database, lambda found: found.scalar(text("SELECT 42"))) == 42


def test_what_takes_longer_is_given_up_and_leaves_a_usable_connection(database: Database) -> None:
    assert TimeLimit(0.05).read(database, lambda found: found.scalar(LONG)) is None
    counted = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT count(*) FROM n"
    assert database.read(lambda found: found.scalar(text(counted))) == 200_000


def test_several_reads_share_the_time(database: Database) -> None:
    limit = TimeLimit(0.05)
    assert [limit.read(database, lambda found: found.scalar(LONG)) for _ in range(2)] == [None, None]


def test_any_other_error_is_one(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):
        TimeLimit(30).read(database, lambda found: found.scalar(text("SELECT * FROM no_such_table")))
