"""Starts a server if none runs on the folder, and replaces one that ended, hangs or has lost its files."""

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import STOP_TIMEOUT, ValkeyServer

log = logging.getLogger("breakwall.broker")

START_TIMEOUT = 15.0  # Seconds. A start takes 50 ms, with a million messages on disk some seconds.

NEW_FOR = 60.0  # Seconds for which new files are not suspected.

BEGAN_ANEW = (
    "the embedded broker's files were damaged or missing, so it starts with new ones; nothing is lost, because the "
    "database has every order. The old files are kept in %s"
)

# At the end of a server's log: the limit of open files is too low. The server's files are not the cause.
NO_DESCRIPTORS = re.compile(r"ulimit|too many open files", re.IGNORECASE)

MORE_DESCRIPTORS = "it has run out of file descriptors: raise the limit of open files (`ulimit -n`)"


class ServerSupervisor:
    """Owns the server process of one folder, unless another process owns it.

    ``on_failure`` is called with the reason if a server ends by itself and its files are not the cause.
    """

    def __init__(self, folder: ServerFolder, on_failure: Callable[[Exception], None]) -> None:
        self._folder = folder
        self._on_failure = on_failure
        self._server: ValkeyServer | None = None
        self._started_at = self._new_until = 0.0
        self.has_answered = False  # The running server, since its start.
        self._suspicious = False  # Whether the files may have ended the last server.

    def run_once(self) -> bool:
        """Start or replace our server if needed; return whether it answers.

        Files that no server can start from are set aside: the database has all that was in them. Raises
        `BrokerNotStartedError` for a full disk, `NoServerProgramError`, or `OSError` if the server cannot be started.
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
            # While a server reads its files, it answers so. One that is silent for long hangs.
            return time.monotonic() - self._started_at < START_TIMEOUT or self._folder.speaks()
        self._suspicious = False
        return server.has_its_folder

    def _remove(self, server: ValkeyServer) -> None:
        self._server = None
        was_running = server.running
        # Killed, not stopped: a stopping server removes the socket, which may be another server's by now.
        server.kill()
        if was_running:
            log.warning("the embedded broker hangs, or its files are gone; it is started again")
            return
        end_of_log = self._folder.end_of_log()
        no_descriptors = bool(NO_DESCRIPTORS.search(end_of_log))
        # Its files are suspected, unless it has answered with them, they are new, or another cause is known.
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
            # Under the lock: another worker may have set them aside already, and run a server on new files.
            try:
                self._set_aside([self._folder.files])
            finally:
                os.close(lock)
            return self._lock()
        if self._folder.has_room:
            return lock
        os.close(lock)
        raise BrokerNotStartedError(
            f"there is no room on the disk of {self._folder.files}. Make room; it then starts by itself"
        )

    def _set_aside(self, paths: list[Path]) -> None:
        kept = ", ".join(str(path) for path in self._folder.set_aside(paths))
        if self._folder.files in paths:
            self._suspicious, self._new_until = False, time.monotonic() + NEW_FOR
        log.warning(BEGAN_ANEW, kept)
