"""Publishes behind its callers: a thread gathers the orders of many of them, so that they share messages."""

import logging
import threading
from collections.abc import Callable, Iterable
from itertools import islice

from breakwall.crashpoints import reach
from breakwall.host.exhaustion import exhausted_resource

log = logging.getLogger("breakwall.broker")

CAPACITY = 20_000  # Orders that wait, at most: some seconds of a broker that hangs, and two megabytes.

# Seconds that the first order waits for others: with at most 50 publishes a second they cost a hundredth of a core. An
# order that is queued usually waits much longer.
GATHER = 0.02


class PublishThread:
    """Holds orders' ids and gives them to ``publish``, which must not raise, in a thread that the first one starts.

    An order that is never published is found by the dispatcher: nothing here is a promise.
    """

    def __init__(self, publish: Callable[[list[str]], object]) -> None:
        self._publish = publish
        # No `threading.Condition`: what a signal's handler raises could leave its lock locked for ever.
        self._lock = threading.Lock()
        self._ids: list[str] = []
        self._thread: threading.Thread | None = None
        self._hurried = threading.Event()  # Set while `flush` waits.

    def add(self, order_ids: Iterable[str]) -> None:
        """Have them published soon. Those that there is no room for are left to the dispatcher. Never raises."""
        with self._lock:
            self._ids += islice(order_ids, max(0, CAPACITY - len(self._ids)))
            if self._thread is None and self._ids:
                self._start()

    def flush(self, timeout: float) -> None:
        """Wait until everything was published, at most ``timeout`` seconds."""
        self._hurried.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        self._hurried.clear()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="breakwall-publisher", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # No thread can be started: the process is out of them, or it ends.
            self._ids.clear()
            log.debug("nothing is published: %s", error)
        else:
            self._thread = thread

    def _run(self) -> None:
        while order_ids := self._gathered():
            reach("before", "publish")
            try:
                self._publish(order_ids)
            except BaseException as error:  # Also an exit: this is the only thread that publishes.
                # The orders are stored, and the dispatcher publishes them.
                if exhausted_resource(error) is None:
                    log.exception("%d orders are stored and could not be published", len(order_ids))
            reach("after", "publish")

    def _gathered(self) -> list[str]:
        """What has come in within `GATHER`. Nothing: the thread ends, and the next order starts another."""
        self._hurried.wait(GATHER)
        with self._lock:
            order_ids, self._ids = self._ids, []
            if not order_ids:
                self._thread = None
        return order_ids
