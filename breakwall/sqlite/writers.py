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
    """One writer at a time. Safe for threads, not reentrant.

    A signal's handler may raise at any point of it: no turn stays taken then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The first one has its turn. Each is released when its thread's turn comes.
        self._turns: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, deadline: float) -> Iterator[None]:
        """Run the block when the threads that came before are done, or at the ``deadline`` on the monotonic clock.

        Then the block runs too: SQLite decides, which is free or reports that it is locked.
        """
        mine = threading.Lock()
        try:
            self._wait(mine, deadline)
            yield
        finally:
            try:
                self._end(mine)
            except BaseException:
                self._end(mine)
                raise

    def _wait(self, mine: threading.Lock, deadline: float) -> None:
        mine.acquire()
        with self._lock:
            self._turns.append(mine)
            if self._turns[0] is mine:
                return
        mine.acquire(timeout=max(0.0, deadline - time.monotonic()))

    def _end(self, mine: threading.Lock) -> None:
        """Give the turn, or the place in the line, back. Without effect if that was done."""
        with self._lock:
            if mine not in self._turns:
                return
            was_first = self._turns[0] is mine
            self._turns.remove(mine)
            if was_first and self._turns:
                self._turns[0].release()
