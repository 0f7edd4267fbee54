"""The orders that a producer's threads work on. Its `close` and the interpreter's exit wait for them."""

import atexit
import sys
import threading
import time
import weakref

from breakwall.breaker import forking
from breakwall.producers.pending import PendingOrder
from breakwall.producers.threads import Latch


class OrdersInHand:
    """The orders of one producer that its threads have not finished.

    No `threading.Condition`: its ``__exit__`` is written in Python, so a signal's handler that raises at its start
    leaves the lock locked for ever.
    """

    def __init__(self) -> None:
        self._reset()
        _all.add(self)
        forking.remember(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._orders: set[PendingOrder] = set()
        self._waiters: list[Latch] = []
        self._ends_watched = False

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, pending: PendingOrder) -> None:
        if not self._ends_watched:
            watch_other_ends()
            self._ends_watched = True
        with self._lock:
            self._orders.add(pending)

    def remove(self, pending: PendingOrder) -> None:
        """Without effect if it is not here."""
        with self._lock:
            self._orders.discard(pending)
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    def wait(self) -> None:
        """Wait for each of them until its ``ends_by``. Those that come meanwhile are not waited for."""
        forking.notice()
        with self._lock:
            now_here = set(self._orders)
        while now_here:
            changed = Latch()
            with self._lock:
                now_here &= self._orders
                self._waiters.append(changed)
            left = max((pending.ends_by for pending in now_here), default=0.0) - time.monotonic()
            if left <= 0:
                return
            changed.wait(left)

    def after_fork(self) -> None:
        """In a forked child: they are the parent's."""
        self._reset()


_all: weakref.WeakSet[OrdersInHand] = weakref.WeakSet()


def wait_for_all() -> None:
    """Wait for the orders in hand of every producer of this process, as `OrdersInHand.wait`."""
    for orders in list(_all):
        orders.wait()


# Twice. First as `concurrent.futures` does, when the main thread has ended: later no thread can be started, for example
# to resolve a name, and the application's exit handlers may close what a charge needs. Then, when the application's
# other threads have ended too, for what they have placed meanwhile.
threading._register_atexit(wait_for_all)  # type: ignore[attr-defined]  # noqa: SLF001
atexit.register(wait_for_all)


def watch_other_ends() -> None:
    """Let the children of Celery and of billiard wait, too: they end with ``os._exit``, without the hooks above.

    A child of theirs has loaded these modules before it places an order, and has forgotten its parent's finalizers.
    """
    if signals := sys.modules.get("celery.signals"):
        signals.worker_process_shutdown.connect(_wait_at_celerys_end, weak=False)
    if util := sys.modules.get("billiard.util"):
        util.Finalize(None, wait_for_all, exitpriority=_BEFORE_THE_APPLICATION)


_BEFORE_THE_APPLICATION = 100  # Finalizers of a higher priority come first.


def _wait_at_celerys_end(**_: object) -> None:
    wait_for_all()
