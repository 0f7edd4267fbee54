from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite


@pytest.fixture
def api(site: Site) -> Iterator[ApiSite]:
    one = ApiSite(site)
    with one.client:
        yield one
