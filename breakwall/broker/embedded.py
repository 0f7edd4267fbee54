"""The broker of the default installation: a Valkey server that belongs to whichever worker started it.

It dies with that process, and another worker takes over. Producers never start one: their orders are in the
database, and a worker's dispatcher publishes them.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from breakwall.broker.server import BrokerNotStartedError, Server, ServerFolder
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")

LOOK_INTERVAL = 0.25
"""Seconds between two looks at whether the server still lives: one system call each."""

FAILURE_INTERVAL = 2.0
"""Seconds until the next try where a server ended by itself or could not be started."""

START_TIMEOUT = 15.0
"""Seconds: a start takes about 50 ms, reading a million waiting messages from disk a few seconds."""


class EmbeddedBroker:
    """Sees to it that one server serves ``home / "broker.sock"`` for as long as this process wants it.

    Any number of processes may each have one on the same folder: one of them owns the server, and when it
    ends, however it ends, another becomes the owner within a second. When the last is gone, so is the server.

    Args:
        home: Breakwall's data folder, absolute; made where it is missing.

    Raises:
        BrokerNotStartedError: the folder's path is too long for a socket.
    """

    def __init__(self, home: Path) -> None:
        self._folder = ServerFolder(home)
        self._server: Server | None = None
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder.socket

    @property
    def owns_server(self) -> bool:
        """Whether the server is this process's child."""
        server = self._server
        return server is not None and server.running

    def ensure(self, timeout: float = START_TIMEOUT) -> None:
        """Return when a server answers, started here or elsewhere; from now on keep it so, until `stop`.

        Raises:
            BrokerNotStartedError: nothing answers within ``timeout`` seconds, or the server cannot start.
        """
        self._failure = None
        self._supervise()
        deadline = time.monotonic() + timeout
        try:
            while not self._folder.answers():
                self._check_hope(deadline)
                time.sleep(0.01)
        except BrokerNotStartedError:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server if it is ours and return when it has ended. Safe to call twice, and in a fork."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None

    def _check_hope(self, deadline: float) -> None:
        if self._failure is not None:
            raise BrokerNotStartedError(f"the embedded broker did not start: {self._failure}")
        if time.monotonic() > deadline:
            raise BrokerNotStartedError(
                f"the embedded broker does not answer on {self.socket}. "
                f"The end of its log:\n{self._folder.end_of_log()}"
            )

    def _supervise(self) -> None:
        if self._thread is not None:
            return
        self._folder.make()
        self._stopping.clear()
        # The thread that starts the server has to live as long as the process (see `Server`).
        self._thread = threading.Thread(target=self._run, name="breakwall-embedded-broker", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_once()
            except Exception as error:
                self._fail(error)
            self._stopping.wait(LOOK_INTERVAL if self._failure is None else FAILURE_INTERVAL)
        if self._server is not None:
            self._server.stop()
            self._server = None

    def run_once(self) -> bool:
        """One look: start a server where none runs on the folder; returns whether it started one.

        Raises:
            NoServerProgramError: there is no server program on this machine.
            OSError: it could not be started.
        """
        if self._server is not None:
            if self._server.running:
                self._failure = None
                return False
            self._server.forget()
            self._server = None
            self._fail(BrokerNotStartedError(f"it ended. The end of its log:\n{self._folder.end_of_log()}"))
        lock = self._folder.try_lock()
        if lock is None:
            return False
        self._server = Server(self._folder, lock)
        return True

    def _fail(self, error: Exception) -> None:
        if str(error) != str(self._failure):
            log.warning("the embedded broker: %s", error)
        self._failure = error


def start_embedded_broker(settings: Settings) -> EmbeddedBroker | None:
    """Run the embedded broker, or share the one that runs; None where the settings name another broker.

    Raises:
        BrokerNotStartedError: it did not start.
    """
    if not settings.embedded_broker:
        return None
    broker = EmbeddedBroker(settings.home)
    broker.ensure()
    return broker
