"""What the tests with a worker process share."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

    def wait_for(self, words: str) -> None:
        """Wait until its log has these words."""
        deadline = time.monotonic() + TIMEOUT
        while words not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)


@contextmanager
def running_worker(terminal: Terminal, line: Sequence[str] = ()) -> Iterator[RunningWorker]:
    """A worker that has logged that it is ready. In the end it has to stop with exit code 0."""
    line = line or command_line("worker", "--loglevel", "INFO")
    file = terminal.folder / "worker.log"
    with file.open("wb") as out:
        process = subprocess.Popen(line, stdout=out, stderr=out, cwd=terminal.folder, env=terminal.environ)
    worker = RunningWorker(process, file)
    try:
        worker.wait_for(" ready.")
        yield worker
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=TIMEOUT)
    assert code == 0, worker.log
