"""`breakwall api`: what it says before it serves. tests/integration/web/test_server.py has how it serves and stops."""

from __future__ import annotations

import socket
import sys
from unittest import mock

import pytest

from breakwall.web.server_processes import ServerProcesses
from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    short_terminal.set(LOG__FORMAT="text")
    return short_terminal


def test_without_the_extra_it_says_what_to_install(terminal: Terminal) -> None:
    with mock.patch.dict(sys.modules, {"fastapi": None}):
        ran = terminal.run("api")
    assert ran.code == 1
    assert ran.err == "Error: the API needs fastapi, not installed here: pip install 'breakwall[web]'\n"


def test_without_the_extra_other_commands_work(terminal: Terminal) -> None:
    hidden = dict.fromkeys(("babel", "fastapi", "jinja2", "starlette", "uvicorn"))
    with mock.patch.dict(sys.modules, hidden):
        assert terminal.place().code == 0
        assert terminal.run("backlog").code == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_taken_port_is_one_sentence(terminal: Terminal, processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ran = terminal.run("api", "--port", port, "--processes", processes)
    assert ran.code == 1
    assert ran.err.startswith(f"Error: port {port} of 127.0.0.1 is taken: ")
    assert ran.err.count("\n") == 1


def test_the_parent_of_several_processes_imports_no_server(terminal: Terminal) -> None:
    """It would need more than a second for its own end, after the processes have used most of the five."""
    without = mock.patch.dict(sys.modules, {"breakwall.web.server": None})
    with without, mock.patch.object(ServerProcesses, "run", return_value=0):
        assert terminal.run("api", "--port", "0", "--processes", "2").code == 0


def test_bad_settings_are_named_before_anything_listens(terminal: Terminal) -> None:
    terminal.set(PAYMENT_TIMEOUT="soon")
    ran = terminal.run("api", "--port", "0")
    assert ran.code == 2
    assert "BREAKWALL_PAYMENT_TIMEOUT" in ran.err
