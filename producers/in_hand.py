"""The orders that a producer's threads work on. Its `close` and the interpreter's exit wait for them."""

import atexit
import threading
import time
import weakref

from breakwall.breaker import forking
from breakwall.producers.pending import PendingOrder


class OrdersInHand:
    """The orders of one producer that its threads have not finished."""

    def __init__(self) -> None:
        self._orders: set[PendingOrder] = set()
        self._changed = threading.Condition()
        _all.add(self)
        forking.remember(self)

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, pending: PendingOrder) -> None:
        with self._changed:
            self._orders.add(pending)

    def remove(self, pending: PendingOrder) -> None:
        with self._changed:
            self._orders.discard(pending)
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait for each of them until its ``ends_by``. Those that come meanwhile are not waited for."""
        forking.notice()
        with self._changed:
            now_here = set(self._orders)
            while waiting := now_here & self._orders:
                left = max(pending.ends_by for pending in waiting) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def after_fork(self) -> None:
        """In a forked child: they are the parent's."""
        self._orders, self._changed = set(), threading.Condition()


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
