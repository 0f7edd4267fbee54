"""Starts a server where none runs on the folder, and replaces one that ended, hangs or has lost its files."""

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import STOP_TIMEOUT, ValkeyServer

log = logging.getLogger("breakwall.broker")

# Seconds: a start takes about 50 ms, reading a million waiting messages from disk a few seconds.
START_TIMEOUT = 15.0

NEW_FOR = 60.0  # Seconds for which files that began anew are not suspected.

BEGAN_ANEW = (
    "the embedded broker's files were damaged or gone, and it began anew; nothing is lost, for the database has every "
    "order. What was there is kept in %s"
)

# At the end of a server's log: it was allowed too few open files, whatever its own files are like.
NO_DESCRIPTORS = re.compile(r"ulimit|too many open files", re.IGNORECASE)

MORE_DESCRIPTORS = "it lacks file descriptors: raise the limit of open files (`ulimit -n`)"


class ServerSupervisor:
    """Owns the server process of one folder, unless another process owns it.

    Args:
        folder: where it works.
        on_failure: called with the reason where a server ended by itself, and not because of its files.

    Attributes:
        has_answered: whether the running server has answered since it was started.
    """

    def __init__(self, folder: ServerFolder, on_failure: Callable[[Exception], None]) -> None:
        self._folder = folder
        self._on_failure = on_failure
        self._server: ValkeyServer | None = None
        self._started_at = self._new_until = 0.0
        self.has_answered = False
        # Whether the files are suspected of having ended the last server.
        self._suspicious = False

    def run_once(self) -> bool:
        """One look; returns whether a server of ours answers.

        Files from which no server can start are set aside: the database has all that was in them.

        Raises:
            BrokerNotStartedError: there is no room on the disk.
            NoServerProgramError: there is no server program on this machine.
            OSError: it could not be started.
        """
        if self._server is not None:
            if self._is_well(self._server):
                return self.has_answered
            self._remove(self._server)
        if obstacles := self._folder.obstacles():
            self._set_aside(obstacles)
        lock = self._lock()
        if lock is not None:
            self._started_at, self.has_answered = time.monotonic(), False
            self._server = ValkeyServer(self._folder, lock)
        return False

    def stop(self) -> None:
        """Stop our server, if there is one."""
        if self._server is not None:
            self._server.stop(STOP_TIMEOUT)
            self._server = None

    def _is_well(self, server: ValkeyServer) -> bool:
        if not server.running:
            return False
        self.has_answered = self.has_answered or self._folder.answers()
        if not self.has_answered:
            # While it reads its files it says so. One that is silent for long hangs.
            return time.monotonic() - self._started_at < START_TIMEOUT or self._folder.speaks()
        self._suspicious = False
        return server.has_its_folder

    def _remove(self, server: ValkeyServer) -> None:
        self._server = None
        was_running = server.running
        # Not asked to stop: it would remove the socket, which may be another server's by now.
        server.kill()
        if was_running:
            log.warning("the embedded broker's files are gone or it hangs; it is started again")
            return
        end_of_log = self._folder.end_of_log()
        no_descriptors = bool(NO_DESCRIPTORS.search(end_of_log))
        # Its files are suspected, unless it has answered with them, they are new, or there is another reason.
        self._suspicious = server.ended_by_itself and not (
            self.has_answered
            or time.monotonic() < self._new_until
            or no_descriptors
            or not self._folder.has_room
        )
        if not (self._suspicious and self._folder.has_data):
            why = f"; {MORE_DESCRIPTORS}" if no_descriptors else ""
            self._on_failure(BrokerNotStartedError(f"it ended{why}. The end of its log:\n{end_of_log}"))

    def _lock(self) -> int | None:
        self._folder.make()
        lock = self._folder.try_lock()
        if lock is None:
            return None
        if self._suspicious and self._folder.has_data:
            # Under the lock: another worker may have set it aside already, and run a server on the new files.
            try:
                self._set_aside([self._folder.files])
            finally:
                os.close(lock)
            return self._lock()
        if self._folder.has_room:
            return lock
        os.close(lock)
        raise BrokerNotStartedError(
            f"there is no room on the disk of {self._folder.files}: make some, and it goes on by itself"
        )

    def _set_aside(self, paths: list[Path]) -> None:
        kept = ", ".join(str(path) for path in self._folder.set_aside(paths))
        if self._folder.files in paths:
            self._suspicious, self._new_until = False, time.monotonic() + NEW_FOR
        log.warning(BEGAN_ANEW, kept)
