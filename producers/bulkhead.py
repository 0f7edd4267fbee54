"""The bulkhead: how many calls of the payment service one process may have in hand."""

import threading

from breakwall.breaker import forking


class Bulkhead:
    """At most ``size`` calls at once. A call that finds it full is refused, and does not wait."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.refused = 0  # So many calls, since the process began.
        self._lock = threading.Lock()
        self._calls: set[object] = set()
        forking.remember(self)

    @property
    def inside(self) -> int:
        """The calls in hand."""
        return len(self._calls)

    def try_enter(self, call: object) -> bool:
        """Whether there is room for the call; `leave` frees it."""
        forking.notice()
        with self._lock:
            if len(self._calls) < self.size:
                self._calls.add(call)
                return True
            self.refused += 1
            return False

    def leave(self, call: object) -> None:
        """The call has ended. Without effect if it is not inside."""
        with self._lock:
            self._calls.discard(call)

    def after_fork(self) -> None:
        """In a forked child: the calls in hand are the parent's."""
        self._lock = threading.Lock()
        self._calls = set()
        self.refused = 0
