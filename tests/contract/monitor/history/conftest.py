from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.monitor.history.history_site import HistorySite


@pytest.fixture
def history(migrated_url: str) -> Iterator[HistorySite]:
    one = HistorySite(migrated_url)
    yield one
    one.producer.close()
