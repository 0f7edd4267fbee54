"""Here a broker may take its time, as it does on a busy machine, unless a test is about how long we wait for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.publish_fixtures import long_timeouts


@pytest.fixture
def hurried() -> None:
    """The test has the product's own time-outs."""


@pytest.fixture(autouse=True)
def _long_timeouts(request: pytest.FixtureRequest) -> Iterator[None]:
    if "hurried" in request.fixturenames:
        yield
        return
    with long_timeouts():
        yield
