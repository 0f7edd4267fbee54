from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from breakwall.payments.db.database import Database
from tests import migrated
from tests.manual_clock import ManualClock


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    with closing(Database(migrated_url)) as database:
        migrated.prepare(database)
        yield database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
