import pytest

from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    """Commands within this process, by Anna."""
    short_terminal.environ["USER"] = "anna"
    return short_terminal
