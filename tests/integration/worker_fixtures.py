"""A worker in a process of its own, and its log."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.command import Terminal, command_line

TIMEOUT = 60.0


@dataclass(frozen=True)
class RunningWorker:
    """A worker process and its log."""

    process: subprocess.Popen[bytes]
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The whole lines of a log in JSON."""
        return [json.loads(line) for line in self.log.split("\n")[:-1]]

    def event(self, words: str, level: str = "warning") -> dict[str, Any]:
        """Wait for an event of this level that has the words, and return it."""
        found: list[dict[str, Any]] = []

        def has_come() -> bool:
            found[:] = [one for one in self.events if words in one["event"] and one["level"] == level]
            return bool(found)

        self._wait_until(has_come)
        return found[0]

    def wait_for(self, words: str) -> None:
        """Until its log has them."""
        self._wait_until(lambda: words in self.log)

    def _wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)


@contextmanager
def running_worker(
    terminal: Terminal,
    line: Sequence[str] = (),
    *,
    wait: bool = True,
    log: str = "worker.log",
    exit_codes: Sequence[int] = (0,),
) -> Iterator[RunningWorker]:
    """One that is ready, unless it shall not ``wait``; SIGTERM must end it with one of ``exit_codes``."""
    line = line or command_line("worker", "--loglevel", "INFO")
    file = terminal.folder / log
    with file.open("wb") as out:
        process = subprocess.Popen(line, stdout=out, stderr=out, cwd=terminal.folder, env=terminal.environ)
    worker = RunningWorker(process, file)
    try:
        if wait:
            worker.wait_for(" ready.")
        yield worker
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=TIMEOUT)
    assert code in exit_codes, f"{code}: {worker.log}"
