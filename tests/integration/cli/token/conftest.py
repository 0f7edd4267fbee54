from __future__ import annotations

import pytest

from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal
