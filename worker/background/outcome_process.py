"""Delivers outcomes in a process of its own, so that no payment waits for the work of telling the shop.

In threads of the worker this work slowed a drain by a fifth: `make bench-outcomes` measures it.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from breakwall.log_throttle import throttled
from breakwall.processes.child import Child
from breakwall.settings import Settings
from breakwall.worker.background.outcome_loop import STOP_TIMEOUT
from breakwall.worker.background.outcome_program import START, what_it_reads

log = logging.getLogger("breakwall.worker")

COMMAND = (sys.executable, "-P", "-c", START, "breakwall-outcomes")  # The last word is for `ps`.

RESTART_AFTER = 2.0  # Seconds.
KILL_AFTER = STOP_TIMEOUT + 1.0  # Seconds that it has to end.


class OutcomeProcess:
    """Runs `outcome_program`, logs its lines, and starts it again when it ends.

    Args:
        restart_after, kill_after: seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        command: Sequence[str] = COMMAND,
        restart_after: float = RESTART_AFTER,
        kill_after: float = KILL_AFTER,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._settings, self._command = settings, command
        self._restart_after, self._kill_after = restart_after, kill_after
        self._report = report or throttled(log.warning)
        self._stopped = threading.Event()
        self._child: Child | None = None
        self._lock = threading.Lock()  # Around the child's start: a stop before it must prevent it.
        # Linux takes the thread that starts a child for its parent, so this one lives as long as the child.
        self._thread = threading.Thread(target=self._run, name="breakwall-outcome-process", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Have it end after the calls in hand; does not wait."""
        with self._lock:
            self._stopped.set()
            if self._child is not None:
                self._child.ask_to_stop()

    def stop(self) -> None:
        """Wait for the calls in hand and their record, at most ``kill_after`` seconds."""
        self.ask_to_stop()
        if self._thread.ident is None:  # it was never started
            return
        self._thread.join(self._kill_after)
        if self._thread.is_alive() and self._child is not None:
            self._child.kill()  # each claim expires
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                child = self._begin()
            except (OSError, MemoryError, RuntimeError) as error:
                self._report(f"the process that delivers outcomes cannot be started ({type(error).__name__})")
            else:
                if child is not None:
                    self._attend(child)
            self._stopped.wait(self._restart_after)

    def _begin(self) -> Child | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            self._child = Child(
                "process that delivers outcomes",
                self._command,
                environment=os.environ,
                folder=Path.cwd(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            return self._child

    def _attend(self, child: Child) -> None:
        """Until it ends."""
        written, read = child.process.stdin, child.process.stderr
        assert written and read  # noqa: S101, PT018 - they are pipes
        with read:
            with suppress(OSError), written:  # it may have ended: then what it wrote says why
                written.write(what_it_reads(self._settings))
            for line in read:
                log_line(line.decode(errors="replace").rstrip())
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(1.0)
        child.kill()
        if child.process.returncode and not self._stopped.is_set():
            self._report(f"the process that delivers outcomes {child.how_it_ended}; it is started again")


def log_line(line: str) -> None:
    """Log a line of the process as its own logger would; any other line as a warning."""
    level, _, rest = line.partition(" ")
    name, _, message = rest.partition(" ")
    if level.isdecimal() and name and message:
        logging.getLogger(name).log(int(level), "%s", message)
    elif line:
        log.warning("the process that delivers outcomes wrote: %s", line)
