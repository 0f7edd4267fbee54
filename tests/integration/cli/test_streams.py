"""Commands in an unusual environment: closed and full streams, odd paths and locales, no memory.

Faults.md, second table: "second Ctrl-C, SIGQUIT to a busy worker; stdout closed; not UTF-8 in a path;
`up > /dev/full`". Each ends with a sentence and the documented exit code.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Ran, Terminal, command_line
from tests.servers.workspace import free_port

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def run(
    terminal: Terminal,
    *words: str,
    shell: str = "",
    before: Callable[[], None] | None = None,
    folder: bytes | None = None,
) -> Ran:
    """Run one command; ``shell`` is what stands behind it in a shell, such as ``>&-``."""
    line = ["sh", "-c", f'exec "$@" {shell}', "sh", *command_line(*words)]
    ran = subprocess.run(
        line,
        cwd=folder or terminal.folder,
        env=terminal.environ,
        capture_output=True,
        preexec_fn=before,
        timeout=60,
        check=False,
    )
    shown = Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
    assert "Traceback" not in shown.err
    assert "Exception ignored" not in shown.err
    return shown


@needs_full
@pytest.mark.parametrize("words", [("backlog", "-o", "json"), ("--version",)])
def test_data_that_cannot_be_written_is_an_error(terminal: Terminal, words: tuple[str, ...]) -> None:
    ran = run(terminal, *words, shell=">/dev/full")
    assert ran.code == 1
    assert "No space left on device" in ran.err


@pytest.mark.parametrize("words", [("backlog",), ("--version",)])
def test_a_closed_stdout_is_an_error(terminal: Terminal, words: tuple[str, ...]) -> None:
    ran = run(terminal, *words, shell=">&-")
    assert ran.code == 1
    assert "stdout is closed" in ran.err


@needs_full
@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&- <&-"])
def test_without_stderr_the_exit_code_reports_the_error(terminal: Terminal, shell: str) -> None:
    assert run(terminal, "orders", "show", "nobody", shell=shell).code == 3
    assert run(terminal, "orders", "nonsense", shell=shell).code == 2


def test_a_reader_that_closes_the_pipe_is_no_error(terminal: Terminal) -> None:
    ran = run(terminal, "orders", "list", "-o", "json", shell="| true")
    assert ran.err == ""


def test_no_file_takes_the_number_of_a_closed_stream(terminal: Terminal) -> None:
    looks = (
        "import os, sys; from breakwall.terminal import streams; streams.prepare();"
        "sys.stderr.write(' '.join(os.readlink(f'/proc/self/fd/{n}') for n in (0, 1)))"
    )
    line = ["sh", "-c", 'exec "$@" <&- >&-', "sh", sys.executable, "-c", looks]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == "/dev/null /dev/null"


@needs_full
@pytest.mark.parametrize("shell", [">/dev/full", "| true"])
def test_up_without_a_usable_stdout_ends_and_says_why(terminal: Terminal, shell: str) -> None:
    options = ("--payment-port", "--control-port", "--api-port")
    ports = [word for option in options for word in (option, str(free_port()))]
    ran = run(terminal, "up", *ports, shell=shell)
    assert "everything ends" in ran.err
    assert ran.code == (0 if shell == "| true" else 1)  # of a pipe a shell tells the last one's


@pytest.fixture
def latin(tmp_path: Path) -> bytes:
    """A folder whose name is Latin-1."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    return folder


@pytest.mark.parametrize("words", [("backlog",), ("worker",)])
def test_a_data_folder_that_is_not_utf_8_is_refused(
    terminal: Terminal, latin: bytes, words: tuple[str, ...]
) -> None:
    ran = run(terminal, *words, folder=latin)
    assert ran.code == 2
    assert "BREAKWALL_DATA_DIR: should be a folder whose whole path is UTF-8" in ran.err


def test_with_another_data_folder_such_a_working_folder_is_fine(terminal: Terminal, latin: bytes) -> None:
    terminal.set(DATA_DIR=str(terminal.folder / "data"))
    assert run(terminal, "backlog", folder=latin).code == 0


def test_a_file_whose_name_is_not_utf_8_is_read(terminal: Terminal, latin: bytes) -> None:
    name = os.fsdecode(latin + b"/orders\xff.csv")
    Path(name).write_text("user_id,amount,currency,idempotency_key\nu1,1,KRW,cart-1\n")
    assert run(terminal, "orders", "import", name).code == 0
    missing = run(terminal, "orders", "import", name + "x")
    assert missing.code == 2
    assert "No such file" in missing.err


@pytest.mark.parametrize("locale", ["C", "nonsense"])
def test_in_any_locale(terminal: Terminal, locale: str) -> None:
    terminal.environ |= {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    order = ("--user", "u1", "--amount", "5", "--currency", "KRW", "--key", "cart-1")
    assert run(terminal, "orders", "place", *order).code == 0
    assert "1 order waits" in run(terminal, "backlog").out


def test_a_working_folder_that_is_gone(terminal: Terminal) -> None:
    gone = terminal.folder / "gone"
    gone.mkdir()
    ran = run(terminal, "backlog", before=gone.rmdir, folder=os.fsencode(gone))
    assert ran.code == 2
    assert "the working folder is not there any more" in ran.err


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_without_descriptors(terminal: Terminal) -> None:
    """Without memory CPython itself may fail, with errors of any kind."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    ran = run(terminal, "backlog", before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, hard)))
    assert ran.code == 1
    assert "no file descriptors left" in ran.err or "Too many open files" in ran.err
