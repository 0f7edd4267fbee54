"""The bulkhead: how many calls of the payment service one process may have in hand."""

import threading

from breakwall.breaker import forking


class Bulkhead:
    """At most ``size`` calls at once. A call that finds it full is refused, and does not wait."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.refused = 0  # So many calls, since the process began.
        self._lock = threading.Lock()
        self._inside = 0
        forking.remember(self)

    @property
    def inside(self) -> int:
        """The calls in hand."""
        return self._inside

    def try_enter(self) -> bool:
        """Whether there is room for one call; `leave` frees it."""
        forking.notice()
        with self._lock:
            if self._inside < self.size:
                self._inside += 1
                return True
            self.refused += 1
            return False

    def leave(self) -> None:
        """The call has ended."""
        with self._lock:
            self._inside -= 1

    def after_fork(self) -> None:
        """In a forked child: the calls in hand are the parent's."""
        self._lock = threading.Lock()
        self._inside = self.refused = 0
