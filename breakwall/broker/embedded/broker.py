"""The broker of the default installation: a Valkey server that belongs to whichever worker started it.

It dies with that process, and another worker takes over. Producers never start one: their orders are in the
database, and a worker's dispatcher publishes them.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from pathlib import Path

from breakwall.broker.embedded.find_server import find_server_program
from breakwall.broker.embedded.server import BrokerNotStartedError, Server, ServerFolder
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")

LOOK_INTERVAL = 0.25
"""Seconds between two looks at whether the server still lives: one system call each."""

SILENCE = 60.0
"""Seconds between two lines about the same failure."""

ANEW = (
    "the embedded broker's files were damaged or gone, and it began anew; nothing is lost, for the database has every "
    "order. What was there is kept in %s"
)

LACKS_FILES = re.compile(r"ulimit|too many open files", re.IGNORECASE)
"""In a server's last words: it was allowed too few open files, whatever its own files are like."""

MORE_FILES = "it lacks file descriptors: raise the limit of open files (`ulimit -n`)"

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
        self._silent_until = 0.0
        # Whether the server that runs has answered since it was started, and whether the one before ended without.
        self._answered = self._suspicious = False
        self._started_at = self._new_until = 0.0
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
        try:
            self.try_to_ensure(timeout)
        except BrokerNotStartedError:
            self.stop()
            raise

    def try_to_ensure(self, timeout: float = START_TIMEOUT) -> None:
        """The same, and where none answers yet, go on trying until `stop`.

        Raises:
            BrokerNotStartedError: none answers yet.
        """
        self._failure = None
        self._supervise()
        deadline = time.monotonic() + timeout
        while not self._folder.answers():
            self._check_hope(deadline)
            time.sleep(0.01)
        self._answered = True

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

        What no server can start from is set aside, for the database has all that was in it.

        Raises:
            BrokerNotStartedError: there is no room for one, or it ended and not for what is there.
            NoServerProgramError: there is no server program on this machine.
            OSError: it could not be started.
        """
        if self._server is not None:
            if self._is_well(self._server):
                return False
            self._part_from(self._server)
        if obstacles := self._folder.obstacles():
            self._set_aside(obstacles)
        lock = self._lock_what_is_usable()
        if lock is None:
            return False
        self._started_at, self._answered = time.monotonic(), False
        self._server = Server(self._folder, lock)
        return True

    def _is_well(self, server: Server) -> bool:
        if not server.running:
            return False
        self._answered = self._answered or self._folder.answers()
        if not self._answered:
            # Reading its files it says so. Silent for long, it hangs.
            return time.monotonic() - self._started_at < START_TIMEOUT or self._folder.speaks()
        self._failure, self._suspicious = None, False
        return server.has_its_folder

    def _part_from(self, server: Server) -> None:
        self._server = None
        if server.running:
            log.warning("the embedded broker's files are gone or it hangs; it is started again")
            server.kill()
            return
        server.forget()
        # It may be the files. With none or new ones it is something else, and with a full disk, too.
        new = time.monotonic() < self._new_until
        said = self._folder.end_of_log()
        lacks_files = bool(LACKS_FILES.search(said))
        innocent = self._answered or new or lacks_files or not self._folder.has_room
        self._suspicious = server.ended_by_itself and not innocent
        why = f"; {MORE_FILES}" if lacks_files else ""
        error = BrokerNotStartedError(f"it ended{why}. The end of its log:\n{said}")
        if not (self._suspicious and self._folder.has_data):
            self._fail(error)

    def _lock_what_is_usable(self) -> int | None:
        self._folder.make()
        lock = self._folder.try_lock()
        if lock is None or not (self._suspicious and self._folder.has_data):
            return self._with_room(lock)
        # Under the lock: another worker may have set it aside already, and run a server on what is there now.
        try:
            self._set_aside([self._folder.files])
        finally:
            os.close(lock)
        self._folder.make()
        return self._with_room(self._folder.try_lock())

    def _with_room(self, lock: int | None) -> int | None:
        if lock is None or self._folder.has_room:
            return lock
        os.close(lock)
        raise BrokerNotStartedError(
            f"there is no room on the disk of {self._folder.files}: make some, and it goes on by itself"
        )

    def _set_aside(self, paths: list[Path]) -> None:
        kept = ", ".join(str(path) for path in self._folder.set_aside(paths))
        if self._folder.files in paths:
            self._suspicious, self._new_until = False, time.monotonic() + SILENCE
        log.warning(ANEW, kept)

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        if self._failure is None or now >= self._silent_until:
            self._silent_until = now + SILENCE
            log.warning("the embedded broker: %s", error)
        self._failure = error


def start_embedded_broker(settings: Settings) -> EmbeddedBroker | None:
    """Run the embedded broker, or share the one that runs; None where the settings name another broker.

    Where it does not start, a full disk for one, it is tried again until it does.

    Raises:
        BrokerNotStartedError: the folder's path is too long for a socket.
        NoServerProgramError: there is no server program on this machine.
    """
    if not settings.embedded_broker:
        return None
    broker = EmbeddedBroker(settings.home)
    find_server_program()
    try:
        broker.try_to_ensure()
    except BrokerNotStartedError as error:
        log.warning("%s. Orders wait in the database; it is tried again", error)
    return broker
