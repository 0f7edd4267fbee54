"""The threads of one process that write into one SQLite file, first come, first served.

SQLite lets waiting writers ask again and again, at longer and longer intervals. With many threads some are never lucky
until their timeout. So the threads of a process queue here, and only the first one waits for other processes.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class WriterQueue:
    """One writer at a time. Safe for threads, not reentrant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()  # Each is released when its thread's turn comes.
        self._taken = False

    @contextmanager
    def turn(self, deadline: float) -> Iterator[None]:
        """Run the block when the threads that came before are done, or at the ``deadline`` on the monotonic clock.

        Then the block runs too: SQLite decides, which is free or reports that it is locked.
        """
        has_turn = self._take(deadline)
        try:
            yield
        finally:
            if has_turn:
                self._pass_on()

    def _take(self, deadline: float) -> bool:
        mine = threading.Lock()
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # It came just now.

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
