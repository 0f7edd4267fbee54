from __future__ import annotations

import pytest

from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    assert short_terminal.run("db", "upgrade").code == 0
    return short_terminal
