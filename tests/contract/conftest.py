from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.site import Site


@pytest.fixture
def site(migrated_url: str) -> Iterator[Site]:
    site = Site(migrated_url)
    yield site
    site.producer.close()
