"""The embedded broker as a worker sees it: a server that runs for as long as one of the workers on its folder.

It dies with the worker that started it, and another worker takes over. Producers never start one: their orders are in
the database, and a worker's dispatcher publishes them.
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

INTERVAL = 0.25  # Seconds between two looks at whether the server still lives: one system call each.

FAILURE_INTERVAL = 2.0  # Seconds until the next look where a server ended by itself or could not be started.


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
        self._supervisor = ServerSupervisor(self._folder, self._fail)
        self._failure: Exception | None = None
        self._throttle = LogThrottle()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """From now on, until `stop`, keep a server running, here or elsewhere. Returns when one answers.

        Raises:
            BrokerNotStartedError: none answers yet; it is tried again until `stop`.
        """
        self._failure = None
        if self._thread is None:
            self._stopping.clear()
            # The thread that starts the server has to live as long as the process (see `Child`).
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
        """Stop the server if it is ours and return when it has ended. Safe to call twice, and in a fork."""
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
        if self._failure is None or not self._throttle.is_silent():
            self._throttle.silence()
            log.warning("the embedded broker: %s", error)
        self._failure = error


def start_embedded_broker(settings: Settings) -> EmbeddedBroker | None:
    """Run the embedded broker, or share the one that runs; None where the settings name another broker.

    Where it does not start, for a full disk for example, it is tried again until it does.

    Raises:
        BrokerNotStartedError: the folder's path is too long for a socket.
        NoServerProgramError: there is no server program on this machine.
    """
    if not settings.embedded_broker:
        return None
    broker = EmbeddedBroker(settings.home)
    find_server_program()
    try:
        broker.ensure()
    except BrokerNotStartedError as error:
        log.warning("%s. Orders wait in the database; it is tried again", error)
    return broker
