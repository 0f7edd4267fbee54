"""Running `breakwall` commands as a script would."""

import contextlib
import fcntl
import functools
import io
import json
import logging
import os
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import typer.main

from breakwall.cli.app import main
from tests import migrated

built_once = functools.cache(typer.main.get_command)
"""The commands, which a process builds once."""


def command_line(*arguments: str) -> list[str]:
    """The command line that starts the command under this interpreter."""
    return [sys.executable, "-m", "breakwall", *arguments]


@dataclass(frozen=True)
class Ran:
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its data, read as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The one error that it wrote as JSON to stderr."""
        (line,) = [line for line in self.err.splitlines() if '"error"' in line]
        found: dict[str, Any] = json.loads(line)["error"]
        return found


class Terminal:
    """Runs commands, each as a process, in one folder and one environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = dict(os.environ)

    @property
    def home(self) -> Path:
        """The commands' data folder by default."""
        return self.folder / ".breakwall"

    @property
    def settings(self) -> dict[str, str]:
        """The variables of the commands' settings, for a program that starts elsewhere."""
        chosen = {name: value for name, value in self.environ.items() if name.startswith("BREAKWALL_")}
        return {**chosen, "BREAKWALL_DATA_DIR": str(self.home)}

    def set(self, **settings: str) -> None:
        """Set variables for later commands: ``set(DATABASE_URL=…)`` sets ``BREAKWALL_DATABASE_URL``."""
        self.environ |= {f"BREAKWALL_{name}": value for name, value in settings.items()}

    def run(self, *arguments: str, stdin: bytes = b"") -> Ran:
        ran = subprocess.run(
            command_line(*arguments),
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environ,
            timeout=60.0,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def run_attended(self, *arguments: str, answer: str = "", lines: int = 24, columns: int = 80) -> Ran:
        """Run on a terminal of its own, with ``answer`` as its input. ``out`` has all that is written there."""
        ours, its = os.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        # These two would override the terminal's own size.
        environ = {name: value for name, value in self.environ.items() if name not in {"COLUMNS", "LINES"}}
        command = subprocess.Popen(
            command_line(*arguments), stdin=its, stdout=its, stderr=its, cwd=self.folder, env=environ
        )
        os.close(its)
        os.write(ours, answer.encode())
        written = b""
        with contextlib.suppress(OSError):  # Linux reports so that the other end is closed
            while part := os.read(ours, 65_536):
                written += part
        os.close(ours)
        return Ran(command.wait(), written.decode(), "")

    def place(self, *details: str, key: str = "cart-1", amount: str = "10000", currency: str = "KRW") -> Ran:
        line = ["--user", "u1", "--amount", amount, "--currency", currency, "--key", key, *details]
        return self.run("orders", "place", *line, "-o", "json")

    def show(self, name: str = "cart-1") -> Any:
        return self.run("orders", "show", name, "-o", "json").document


class ShortTerminal(Terminal):
    """Runs the commands within this process, which saves half a second of imports for each."""

    def run(self, *arguments: str, stdin: bytes = b"") -> Ran:
        out, err = io.StringIO(), io.StringIO()
        last_resort = logging.lastResort
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.environ, clear=True),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.object(typer.main, "get_command", built_once),
            migrated.at_once(),
        ):
            try:
                main(arguments)
            except SystemExit as end:
                return Ran(int(end.code or 0), out.getvalue(), err.getvalue())
            finally:
                logging.lastResort = last_resort
