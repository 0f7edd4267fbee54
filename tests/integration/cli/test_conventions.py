"""What holds for every command: help at once, data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.command import Terminal, command_line

LIMIT = 7.0
"""Times the processor time that Typer's import alone takes, which is a fifth of the help's. Help waits for nothing, so
on a machine with nothing else to do this is how long it takes, and a busy machine slows both."""

TO_NOWHERE = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
SLOW = {"sqlalchemy", "celery", "kombu", "alembic", "httpx2", "redis", "rich"}


def test_help_answers_within_its_limit() -> None:
    def once(*line: str) -> float:
        _, status, used = os.wait4(os.posix_spawn(line[0], line, os.environ, file_actions=TO_NOWHERE), 0)
        assert status == 0
        return used.ru_utime + used.ru_stime

    bare = sys.executable, "-c", "import typer"
    assert any(once(*command_line("--help")) < LIMIT * once(*bare) for _ in range(5))


def imported(*commands: str) -> dict[str, set[str]]:
    """What the help of each command, and of those before it, has imported in the end."""
    script = (
        "import sys, breakwall.cli.app\n"
        "for command in sys.argv[1:]:\n"
        "    try: breakwall.cli.app.main([*command.split(), '--help'])\n"
        "    except SystemExit: print('MODULES', *sys.modules)"
    )
    line = [sys.executable, "-c", script, *commands]
    ran = subprocess.run(line, capture_output=True, text=True, check=True)
    modules = [set(line.split()) for line in ran.stdout.splitlines() if line.startswith("MODULES ")]
    return dict(zip(commands, modules, strict=True))


def test_help_imports_nothing_slow() -> None:
    assert not imported("")[""] & {*SLOW, "pydantic"}


def test_a_commands_own_help_imports_nothing_slow() -> None:
    """But pydantic, with which Typer reads a command's arguments."""
    commands = (
        "orders",
        "orders place",
        "orders import",
        "orders incidents",
        "orders suspect",
        "backlog",
        "breaker force-open",
        "worker",
        "doctor",
    )
    assert {
        command: modules & SLOW for command, modules in imported(*commands).items() if modules & SLOW
    } == {}


def test_help_lists_every_command_and_the_exit_codes(short_terminal: Terminal) -> None:
    shown = short_terminal.run("--help").out
    for name in ("orders", "backlog", "breaker", "db", "doctor", "worker", "simulator"):
        assert f"  {name} " in shown
    assert "4 refused" in " ".join(shown.split())


def test_no_command_at_all_shows_the_help_and_is_a_usage_error(short_terminal: Terminal) -> None:
    ran = short_terminal.run()
    assert ran.code == 2
    assert "Usage: breakwall" in ran.err


def test_the_installed_script_and_the_module_are_the_same_command(terminal: Terminal) -> None:
    from breakwall import __version__

    assert terminal.run("--version").out == f"breakwall {__version__}\n"


def test_help_of_retry_says_what_it_does_to_the_budget(short_terminal: Terminal) -> None:
    shown = " ".join(short_terminal.run("orders", "retry", "--help").out.split())
    assert "whole new budget of attempts" in shown
    assert "retry_count continues" in shown


def test_a_closed_pipe_is_no_traceback() -> None:
    shell = f"{' '.join(command_line('--help'))} | head -c 1"
    ran = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True)
    assert "Traceback" not in ran.stderr


def test_data_goes_to_stdout_and_everything_else_to_stderr(terminal: Terminal) -> None:
    """With no worker there is no embedded broker; the order waits in the database, and stderr says so."""
    ran = terminal.place()
    assert ran.document["status"] == "queued"
    assert "the broker takes no messages" in json.loads(ran.err)["warning"]


def test_a_warning_is_a_sentence_where_text_was_asked_for(terminal: Terminal) -> None:
    line = ["--user", "u1", "--amount", "1", "--currency", "KRW", "--key", "k"]
    assert terminal.run("orders", "place", *line).err.startswith("Warning: the broker takes no messages")


def test_a_character_that_the_terminal_lacks_is_a_question_mark(terminal: Terminal) -> None:
    terminal.environ |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    terminal.place()
    shown = terminal.run("orders", "show", "cart-1")
    assert (shown.code, shown.err) == (0, "")
    assert "?10,000" in shown.out


@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_it_wants_none(
    terminal: Terminal, setting: dict[str, str], coloured: bool
) -> None:
    terminal.place()
    terminal.environ |= {"TERM": "xterm-256color", **setting}
    terminal.environ.pop("FORCE_COLOR", None)
    ran = terminal.run_attended("orders", "show", "cart-1")
    assert ran.code == 0
    assert "queued" in ran.out
    assert ("\x1b[33m" in ran.out) is coloured


def test_an_import_shows_its_progress_on_a_terminal(terminal: Terminal) -> None:
    order = '{"user_id": "u1", "amount": 1, "currency": "KRW", "idempotency_key": "k"}'
    (terminal.folder / "orders.jsonl").write_text(order)
    terminal.environ |= {"TERM": "xterm-256color"}
    ran = terminal.run_attended("orders", "import", "orders.jsonl")
    assert ran.code == 0
    assert "importing" in ran.out
    assert "1 order accepted" in ran.out
