from __future__ import annotations

from collections.abc import Iterator

import pytest

from breakwall.access import shared_read
from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite


@pytest.fixture
def api(site: Site) -> Iterator[ApiSite]:
    one = ApiSite(site)
    with one.client:
        yield one


@pytest.fixture(autouse=True)
def _nothing_runs_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread reads tokens or writes a token's use when the test, and its database, have ended."""
    monkeypatch.setattr(shared_read, "in_a_thread", lambda work: work())
