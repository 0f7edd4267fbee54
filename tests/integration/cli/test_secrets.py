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


@pytest.mark.parametrize("name", ["TOKEN", "HEADERS", "PROXY"])
@pytest.mark.parametrize("command", [["doctor", "-o", "json"], ["doctor"], ["backlog"]])
def test_no_command_tells_a_part_of_a_file_of_secrets(
    short_terminal: Terminal, name: str, command: list[str]
) -> None:
    file = short_terminal.folder / "secret"
    file.write_text("geheim 17zz")
    short_terminal.set(**{f"PAYMENT_{name}_FILE": str(file)})
    ran = short_terminal.run(*command)
    assert (ran.code, f"BREAKWALL_PAYMENT_{name}_FILE: " in ran.out + ran.err) == (2, True)
    assert "geheim" not in ran.out + ran.err
    assert "17zz" not in ran.out + ran.err
