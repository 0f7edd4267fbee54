from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.promtool import promtool as find_promtool


@pytest.fixture(scope="session")
def promtool() -> Path:
    return find_promtool()
