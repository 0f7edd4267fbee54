"""A worker's heartbeat: a row in the database shows that the worker is alive, and which resource is exhausted."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

from sqlalchemy import Connection

from breakwall import __version__
from breakwall.broker.messages.order_message import MESSAGE_FORM
from breakwall.host.exhaustion import exhausted_resource
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.workers import HEARTBEAT_INTERVAL, Identity, record_heartbeat, remove_worker

log = logging.getLogger("breakwall.worker")

# Seconds to the next try after a failed one: once the database is back, the worker soon counts as alive.
RETRY_INTERVAL = 2.0

# Seconds that an ending worker waits until its row is removed. A row that stays is shown as silent.
STOP_TIMEOUT = 5.0


class Heartbeat:
    """Writes the row in a thread of its own, so that a worker whose other threads hang counts as alive. Thread-safe.

    A write that fails is tried again, and disturbs nothing else. If it fails because a resource of this process is
    exhausted, ``on_exhaustion`` is called with the resource. ``gateway``, ``broker`` and ``ways`` are as in `Identity`.
    """

    def __init__(
        self,
        database: Database,
        *,
        gateway: str | None = None,
        broker: str | None = None,
        ways: tuple[str, ...] | None = None,
        clock: Clock = DATABASE_CLOCK,
        monotonic: Callable[[], float] = time.monotonic,
        on_exhaustion: Callable[[str], None] = lambda resource: None,
    ) -> None:
        self._database = database
        self._gateway, self._broker, self._ways = gateway, broker, ways
        self._clock = clock
        self._monotonic = monotonic
        self._on_exhaustion = on_exhaustion
        self._identity: Identity | None = None
        self._exhausted: str | None = None
        self._hanging = False
        self._busy_at: float | None = None
        self._stopped = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, name: str, slots: int) -> None:
        """Start to write, without waiting, for a worker with this node name that works on ``slots`` orders at once."""
        self.identify(name, slots)
        self._thread = threading.Thread(target=self._run, name="breakwall-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Remove the row and end, within `STOP_TIMEOUT` seconds. Allowed without a start too."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT)

    def set_exhausted(self, what: str | None) -> None:
        """Have the row say what is exhausted, in a sentence; None for nothing. A change is written at once.

        Never waits, never raises.
        """
        changed, self._exhausted = what != self._exhausted, what
        if changed:
            self._wake.set()

    def set_hanging(self, hanging: bool) -> None:
        """Have the row say whether the payment service hangs. A change is written at once. Never waits or raises."""
        changed, self._hanging = hanging != self._hanging, hanging
        if changed:
            self._wake.set()

    def mark_busy(self) -> None:
        """Record that an order was worked on just now, or that the circuit held the worker back."""
        self._busy_at = self._monotonic()

    def identify(self, name: str, slots: int) -> None:
        """Make a new row for the worker of that name, to be written in the next run."""
        self._identity = Identity(
            id=uuid.uuid4().hex,
            name=name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=slots,
            version=__version__,
            reads=MESSAGE_FORM,
            gateway=self._gateway,
            broker=self._broker,
            ways=self._ways,
        )

    def run_once(self) -> bool:
        """Write the row. Returns whether it was written; raises nothing."""
        idle = None if self._busy_at is None else max(0.0, self._monotonic() - self._busy_at)

        def write(connection: Connection, identity: Identity) -> None:
            record_heartbeat(
                *(connection, self._clock, identity),
                lacks=self._exhausted,
                idle=idle,
                hanging=self._hanging,
            )

        return self._write(write)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(HEARTBEAT_INTERVAL if self.run_once() else RETRY_INTERVAL)
            self._wake.clear()
        self._write(lambda connection, identity: remove_worker(connection, identity.id))

    def _write(self, write: Callable[[Connection, Identity], None]) -> bool:
        identity = self._identity
        if identity is None:
            return False
        try:
            self._database.write(lambda connection: write(connection, identity), name="heartbeat")
        except Exception as error:  # an outage of the database is reported elsewhere
            log.debug("no heartbeat: %s", type(error).__name__)
            if (resource := exhausted_resource(error)) is not None:
                self._on_exhaustion(resource)  # an idle worker notices it only here
            return False
        return True
