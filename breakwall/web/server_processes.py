"""Several processes that serve the API on one socket. Each is started anew, never forked, and dies with this one."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType

from breakwall.errors import ExitCode
from breakwall.processes.child import Child, python_module
from breakwall.web.stopping import LONGEST_STOP

log = logging.getLogger("breakwall.api")

CHECK_INTERVAL = 0.1  # Seconds between two looks at the processes.
RESTART_PAUSE = 1.0  # Seconds before a process that was killed is replaced.
STOP_TIMEOUT = LONGEST_STOP + 0.7  # Seconds until a process that does not stop is killed.


class ServerProcesses:
    """``count`` processes of ``command``, which serve on ``listener``. Make it and use it in the main thread."""

    def __init__(self, listener: socket.socket, count: int, command: Sequence[str]) -> None:
        self._listener = listener
        self._count = count
        self._command = command
        self._stop = threading.Event()
        self._children: list[Child] = []

    def run(self) -> int:
        """Run until a signal comes. Returns the exit code.

        A process that was killed is replaced. If one has ended by itself, for example for bad settings, all end.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            self._children += [self._start() for _ in range(self._count)]
            while not self._stop.wait(CHECK_INTERVAL):
                if self._has_ended():
                    return ExitCode.FAILURE
            return ExitCode.OK
        finally:
            self._close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _start(self) -> Child:
        number = self._listener.fileno()
        command = [*self._command, "--socket", str(number)]
        return Child("API process", command, environment=os.environ, folder=None, inherited=[number])

    def _has_ended(self) -> bool:
        """Replace those that were killed; whether another one has ended."""
        for place, child in enumerate(self._children):
            if child.running or self._stop.is_set():
                continue
            log.error("an API process %s", child.how_it_ended)
            if child.process.returncode >= 0:
                return True
            if not self._stop.wait(RESTART_PAUSE):
                self._children[place] = self._start()
        return False

    def _close(self) -> None:
        self._listener.close()
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in self._children:
            child.ask_to_stop()
        while any(child.running for child in self._children) and time.monotonic() < deadline:
            time.sleep(CHECK_INTERVAL / 2)
        for child in self._children:
            child.kill()


def command_of_one(level: str) -> list[str]:
    """The command that serves as one of several processes."""
    return python_module("breakwall", "api", "--loglevel", level)
