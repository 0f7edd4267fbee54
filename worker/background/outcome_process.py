"""Delivers outcomes in a process of its own, so that no payment waits for the work of telling the shop.

In threads of the worker this work slowed a drain by a fifth: `make bench-outcomes` measures it.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from breakwall.log_throttle import throttled
from breakwall.processes.child import Child
from breakwall.settings import Settings
from breakwall.worker.background.outcome_loop import STOP_TIMEOUT
from breakwall.worker.background.outcome_program import START, what_it_reads

log = logging.getLogger("breakwall.worker")

COMMAND = (sys.executable, "-P", "-c", START, "breakwall-outcomes")  # The last word is for `ps`.

RESTART_AFTER = 2.0  # Seconds; twice as long after each short run,
LONGEST_PAUSE = 60.0  # up to these.
LONG_RUN = 60.0  # Seconds.
KILL_AFTER = STOP_TIMEOUT + 3.0  # Seconds: for the calls in hand, their record, and Python's end.


class OutcomeProcess:
    """Runs `outcome_program`, logs its lines, and starts it again when it ends.

    Args:
        restart_after, kill_after: seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        command: Sequence[str] = COMMAND,
        restart_after: float = RESTART_AFTER,
        kill_after: float = KILL_AFTER,
        report: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._command = settings, command
        self._restart_after, self._kill_after = restart_after, kill_after
        self._report, self._clock = report or throttled(log.warning), clock
        self._stopped = threading.Event()
        self._kill_at = 0.0
        self._child: Child | None = None
        self._lock = threading.Lock()  # Around the child's start: a stop before it must prevent it.
        # Linux takes the thread that starts a child for its parent, so this one lives as long as the child.
        self._thread = threading.Thread(target=self._run, name="breakwall-outcome-process", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Have it end after the calls in hand; does not wait."""
        with self._lock:
            if self._stopped.is_set():
                return
            self._kill_at = self._clock() + self._kill_after
            self._stopped.set()
            if self._child is not None:
                self._child.ask_to_stop()

    def stop(self) -> None:
        """Wait for the calls in hand and their record, at most ``kill_after`` seconds from the first request on."""
        self.ask_to_stop()
        if self._thread.ident is None:  # it was never started
            return
        self._thread.join(max(0.0, self._kill_at - self._clock()))
        if self._thread.is_alive() and self._child is not None:
            self._child.kill()  # each claim expires
            self._thread.join(1.0)

    def _run(self) -> None:
        pause = self._restart_after
        while not self._stopped.is_set():
            began = self._clock()
            self._run_once(began)
            if self._clock() - began >= LONG_RUN:
                pause = self._restart_after
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _run_once(self, began: float) -> None:
        try:
            child = self._begin()
            if child is not None:
                self._attend(child)
                self._report_end(child, self._clock() - began)
        except Exception as error:  # too little memory, or a handler of the log: the next run may be better
            self._report(
                f"the process that delivers outcomes failed ({type(error).__name__}); it is started again"
            )

    def _begin(self) -> Child | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            self._child = Child(
                "process that delivers outcomes",
                self._command,
                environment=os.environ,
                folder=None,  # The worker's own may have been removed.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            return self._child

    def _attend(self, child: Child) -> None:
        """Until it ends."""
        written, read = child.process.stdin, child.process.stderr
        assert written and read  # noqa: S101, PT018 - they are pipes
        try:
            with read:
                with suppress(OSError), written:  # it may have ended: then what it wrote says why
                    written.write(what_it_reads(self._settings))
                for line in read:
                    log_line(line.decode(errors="replace").rstrip())
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(1.0)
        finally:
            child.kill()

    def _report_end(self, child: Child, seconds: float) -> None:
        # A stop of all of a service's processes may reach it first: then it ends well, after a long run.
        ended_well = child.process.returncode == 0 and seconds >= LONG_RUN
        if not ended_well and not self._stopped.is_set():
            self._report(f"the process that delivers outcomes {child.how_it_ended}; it is started again")


def log_line(line: str) -> None:
    """Log a line of the process as its own logger would; any other line as a warning."""
    level, _, rest = line.partition(" ")
    name, _, message = rest.partition(" ")
    if level.isdecimal() and name and message:
        logging.getLogger(name).log(int(level), "%s", message)
    elif line:
        log.warning("the process that delivers outcomes wrote: %s", line)
