"""One program of `breakwall up`: its output goes to the terminal line by line, behind its name."""

import json
import logging
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from breakwall.logs import LineFormatter
from breakwall.processes.child import LAST_LINES, Child, ChildFailedError
from breakwall.texts import is_allowed

# How a line of the worker's log begins: time in UTC, level, logger.
_HEAD = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\.\d{3}(Z) (\w+) [\w.]+: (.*)")

_REPEATED = "Task breakwall.retry_payment["  # Celery's lines about a task; ours say what became of the order.


class Program(Child):
    """A running program. The line with ``ready_mark`` shows that it is up; ``write`` gets this line and all later ones.

    See `breakwall.processes.child.Child` for how it ends.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        ready_mark: str,
        write: Callable[[str], None],
    ) -> None:
        self.ready = False  # Whether it is up.
        self._ready_mark = ready_mark
        self._write = write
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        super().__init__(
            name,
            command,
            environment=environment,
            folder=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, name=f"{name}-lines", daemon=True)
        try:
            self._reader.start()
        except BaseException:  # without the thread, nothing would read its output
            super().kill()
            raise

    def check(self) -> None:
        """Raise `ChildFailedError` if it has ended; if it was never up, with the end of its output."""
        if self.running:
            return
        self.kill()  # reads the rest of its output, which may show that it was up
        if self.ready:
            raise ChildFailedError(self.name, self.how_it_ended, "")
        raise ChildFailedError(self.name, f"{self.how_it_ended} before it was up", "\n".join(self._last))

    def kill(self) -> None:
        """End it if it still runs, and read the rest of its output. Safe to call twice."""
        super().kill()
        self._reader.join(1.0)

    def _read(self) -> None:
        output: IO[bytes] | None = self.process.stdout
        assert output is not None  # noqa: S101 - it is a pipe
        with output:
            for raw in output:
                self._take(raw.decode(errors="replace").rstrip())

    def _take(self, line: str) -> None:
        if line.strip():
            self._last.append(line)
        if self._ready_mark in line:
            self.ready = True
        # Earlier lines are banners. If it never comes up, `check` shows the last of them.
        if self.ready and (shown := readable(line)):
            self._write(shown)


def as_event(name: str, line: str) -> str:
    """A program's line as a JSON event: unchanged if it is one, else as an event of ``name``."""
    with suppress(ValueError):
        if isinstance(json.loads(line), dict):
            return line
    logger = f"breakwall.up.{name.replace(' ', '_')}"
    record = logging.LogRecord(logger, logging.INFO, __file__, 0, line, None, None)
    return LineFormatter(as_json=True).format(record)


def readable(line: str) -> str:
    """A line of a log for a terminal, its head cut to the time; empty if it need not be shown."""
    found = _HEAD.fullmatch(line)
    if found is None:
        return _printable(line)
    clock, zone, level, message = found.groups()
    if level != "INFO":
        return _printable(f"{clock}{zone} {level} {message}")
    return "" if message.startswith(_REPEATED) else _printable(f"{clock}{zone} {message}")


def _printable(line: str) -> str:
    """Without characters that move the cursor or change colours."""
    return "".join(char if is_allowed(char) else " " for char in line)
