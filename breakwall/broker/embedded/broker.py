"""The embedded broker, for a worker: one server runs as long as any worker uses its folder.

It dies with the worker that started it, and another worker takes over. Producers start none: their orders are in the
database, and a worker's dispatcher publishes them.
"""

import logging
import threading
import time
from pathlib import Path

from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import find_server_program
from breakwall.broker.embedded.supervisor import START_TIMEOUT, ServerSupervisor
from breakwall.log_throttle import LogThrottle
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")

INTERVAL = 0.25  # Seconds between two checks that the server is alive. A check costs one system call.
FAILURE_INTERVAL = 2.0  # Seconds until the next check after a server ended by itself or could not be started.


class EmbeddedBroker:
    """Keeps one server on ``home / "broker.sock"`` running until `stop`.

    Any number of processes may have one on the same folder. One of them owns the server. When the owner ends, for any
    reason, another process becomes the owner within a second. When the last process ends, the server ends too.

    ``home`` is absolute and is made if it is missing. Raises `BrokerNotStartedError` if its path is too long for a
    socket.
    """

    def __init__(self, home: Path) -> None:
        self._folder = ServerFolder(home)
        self._supervisor = ServerSupervisor(self._folder, self._fail)
        self._failure: Exception | None = None
        self._throttle = LogThrottle()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Keep a server running from now on, and return when it answers, whichever process owns it.

        Raises `BrokerNotStartedError` if none answers yet; the start is tried again until `stop`.
        """
        self._failure = None
        if self._thread is None:
            self._stopping.clear()
            # The thread that starts the server must live as long as the process (see `Child`).
            self._thread = threading.Thread(target=self._run, name="breakwall-embedded-broker", daemon=True)
            self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._folder.answers():
            if self._failure is not None:
                raise BrokerNotStartedError(f"the embedded broker did not start: {self._failure}")
            if time.monotonic() > deadline:
                raise BrokerNotStartedError(
                    f"the embedded broker does not answer on {self._folder.socket}. "
                    f"The end of its log:\n{self._folder.end_of_log()}"
                )
            time.sleep(0.01)
        self._supervisor.has_answered = True

    def stop(self) -> None:
        """Stop the server if this process owns it; return when it has ended. Safe to call twice, and in a fork."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._supervisor.run_once():
                    self._failure = None
            except Exception as error:
                self._fail(error)
            self._stopping.wait(INTERVAL if self._failure is None else FAILURE_INTERVAL)
        self._supervisor.stop()

    def _fail(self, error: Exception) -> None:
        # The first failure after a success is always logged.
        if self._failure is None or self._throttle.admit():
            self._throttle.silence()
            log.warning("the embedded broker: %s", error)
        self._failure = error


def start_embedded_broker(settings: Settings) -> EmbeddedBroker | None:
    """Run the embedded broker, or share the one that runs; None if the settings name another broker.

    If it does not start, because of a full disk for example, the start is tried again until it succeeds. Raises
    `BrokerNotStartedError` if the folder's path is too long for a socket, and `NoServerProgramError`.
    """
    if not settings.embedded_broker:
        return None
    broker = EmbeddedBroker(settings.home)
    find_server_program()
    try:
        broker.ensure()
    except BrokerNotStartedError as error:
        log.warning("%s. Orders wait in the database; the start is tried again", error)
    return broker
