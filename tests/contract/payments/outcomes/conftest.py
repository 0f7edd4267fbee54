from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.payments.outcomes.outbox_site import OutboxSite


@pytest.fixture
def outbox_site(migrated_url: str) -> Iterator[OutboxSite]:
    site = OutboxSite(migrated_url)
    yield site
    site.database.close()
