from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from breakwall.payments.db.database import Database
from tests import migrated
from tests.contract.web.access.protected_app import ProtectedApp


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    with closing(Database(migrated_url)) as database:
        migrated.prepare(database)
        yield database


@pytest.fixture
def api(database: Database) -> ProtectedApp:
    return ProtectedApp(database)
