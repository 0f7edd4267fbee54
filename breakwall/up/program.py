"""One program of `breakwall up`: what it says goes to the terminal line by line, behind its name."""

from __future__ import annotations

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
from breakwall.processes.children import LAST_LINES, Child
from breakwall.texts import is_allowed

_HEAD = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\.\d{3}(Z) (\w+) [\w.]+: (.*)")
"""How a worker begins a line: time in UTC, level, logger."""

_TWICE_TOLD = "Task breakwall.retry_payment["
"""Celery's own lines about a task; ours say the order and what became of it."""


class Program:
    """A program that was started; see `breakwall.processes.children.Child` for how it ends.

    Args:
        name: what people call it.
        command, environment, folder: as for `Child`.
        ready_mark: what the line contains with which it says that it is up.
        speak: told each line from then on, the one with the mark first.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        ready_mark: str,
        speak: Callable[[str], None],
    ) -> None:
        self._ready_mark = ready_mark
        self._speak = speak
        self._ready = threading.Event()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._child = Child(
            name,
            command,
            environment=environment,
            folder=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._child.process.stdout is not None  # noqa: S101 - a pipe was asked for
        reading = (self._child.process.stdout,)
        self._reader = threading.Thread(target=self._read, args=reading, name=f"{name}-lines", daemon=True)
        try:
            self._reader.start()
        except BaseException:  # no thread: nobody would hear the child, or end it
            self._child.kill()
            raise

    @property
    def ready(self) -> bool:
        """Whether it has said that it is up."""
        return self._ready.is_set()

    @property
    def running(self) -> bool:
        return self._child.running

    @property
    def how_it_ended(self) -> str:
        return self._child.how_it_ended

    @property
    def last_words(self) -> str:
        """The end of what it said."""
        return "\n".join(self._last)

    def ask_to_stop(self) -> None:
        """Send SIGTERM; does not wait."""
        self._child.ask_to_stop()

    def kill(self) -> None:
        """End it if it still runs, and hear it out. Safe to call twice."""
        self._child.kill()
        self._reader.join(1.0)

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for raw in output:
                self._hear(raw.decode(errors="replace").rstrip())

    def _hear(self, line: str) -> None:
        if line.strip():
            self._last.append(line)
        if self._ready_mark in line:
            self._ready.set()
        # What comes before is greetings, or, if it never comes up, `last_words`.
        if self.ready and (shown := readable(line)):
            self._speak(shown)


def as_event(name: str, line: str) -> str:
    """A program's line as one JSON event: it is one already, or it is said by ``name``."""
    with suppress(ValueError):
        if isinstance(json.loads(line), dict):
            return line
    record = logging.LogRecord(
        f"breakwall.up.{name.replace(' ', '_')}", logging.INFO, __file__, 0, line, None, None
    )
    return LineFormatter(as_json=True).format(record)


def readable(line: str) -> str:
    """A line of a log for a terminal: its head cut to the time, empty for one that need not be shown."""
    found = _HEAD.fullmatch(line)
    if found is None:
        return _printable(line)
    clock, zone, level, message = found.groups()
    time = clock + zone
    if level == "INFO" and message.startswith(_TWICE_TOLD):
        return ""
    return _printable(f"{time} {message}" if level == "INFO" else f"{time} {level} {message}")


def _printable(line: str) -> str:
    """Nothing in it moves the cursor or changes colours."""
    return "".join(char if is_allowed(char) else " " for char in line)
