"""The commands' message about a malformed URL says what would be right, and repeats no part of the URL."""

from __future__ import annotations

import pytest

from tests.command import Terminal


@pytest.mark.parametrize("command", [["backlog"], ["doctor"], ["db", "upgrade"], ["breaker", "status"]])
def test_no_command_tells_half_of_a_password(short_terminal: Terminal, command: list[str]) -> None:
    short_terminal.set(DATABASE_URL="postgresql://u:geheim@17zz@127.0.0.1:9/x")
    ran = short_terminal.run(*command)
    assert ran.code == 2
    assert "geheim" not in ran.out + ran.err
    assert "17zz" not in ran.out + ran.err


def test_neither_does_a_worker(short_terminal: Terminal) -> None:
    short_terminal.set(BROKER_URL="redis://:geheim/17zz@127.0.0.1:9/0")
    ran = short_terminal.run("worker")
    assert (ran.code, "geheim" in ran.err, "17zz" in ran.err) == (2, False, False)
