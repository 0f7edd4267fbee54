"""What one read of the database gave, shared by all threads of a process. Nobody waits long for it.

The read runs in a thread of its own, one at a time. While the database does not answer, what was read last has to do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from breakwall.payments.db.database import DatabaseUnavailableError

logger = logging.getLogger("breakwall.access")

T = TypeVar("T")
Work = Callable[[], None]

# Seconds for which what was read is fresh. A revoked token works for so long.
REREAD = 5.0
FAILURE_PAUSE = 1.0  # Seconds after a failed read until the next one.
TIMEOUT = 3.0  # Seconds after the beginning of a read for which threads wait for it.
# The same for the first read of a process: there is nothing else, and it may have to migrate the database.
FIRST_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class LastRead(Generic[T]):
    """What was read. ``at``: when the read began, by this process's clock. ``edition``: of what was known then."""

    value: T
    at: float
    edition: int


@dataclass(slots=True)
class _Attempt:
    began: float
    edition: int
    done: threading.Event = field(default_factory=threading.Event)
    is_late: bool = False  # Threads have waited long enough for it: others do not wait at all.


class SharedRead(Generic[T]):
    """Runs ``read``, which raises `DatabaseUnavailableError` at most. Safe for threads.

    ``start`` runs something that nobody waits for: in a thread, except in tests.
    """

    def __init__(
        self, read: Callable[[], T], *, monotonic: Callable[[], float], start: Callable[[Work], None]
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._start = start
        self.latest: LastRead[T] | None = None
        self.error: DatabaseUnavailableError | None = None  # Why the last read has failed.
        self._edition = 0
        self._does_not_answer = False
        self._failed_at: float | None = None
        self._attempt: _Attempt | None = None
        self._lock = threading.Lock()

    def is_new(self, since: float | None = None) -> bool:
        """Whether it was read since then, by the process's clock (default: `REREAD` ago)."""
        known = self.latest
        if known is None or known.edition != self._edition:
            return False
        return self._monotonic() < known.at + REREAD if since is None else known.at >= since

    def outdate(self) -> None:
        """This process has just changed it: what is known is not fresh any more."""
        with self._lock:
            self._edition += 1

    def is_at_hand(self) -> bool:
        """Whether nobody has to wait: it is fresh, or it has to do because the database does not answer.

        Then another read is begun, and nobody waits for that.
        """
        if self.is_new():
            return True
        if self.latest is None or not self._does_not_answer:
            return False
        self._join(None)
        return True

    def refresh(self, since: float | None = None) -> bool:
        """Read again unless `is_new`, and say whether it is. Threads that come at the same time share one read."""
        if since is None and self.is_at_hand():
            return self.is_new()
        for _ in range(2):  # The read that is in progress may have begun too early.
            attempt = self._join(since)
            if attempt is None or not self._wait(attempt):
                break
        return self.is_new(since)

    def _join(self, since: float | None) -> _Attempt | None:
        """The read that is in progress, or that begins now; None if there is nothing to wait for."""
        with self._lock:
            now = self._monotonic()
            if self.is_new(since):
                return None
            if self._attempt is not None:
                return self._attempt
            if self._failed_at is not None and now < self._failed_at + FAILURE_PAUSE:
                return None
            attempt = self._attempt = _Attempt(now, self._edition)
        self._begin(attempt)
        return attempt

    def _begin(self, attempt: _Attempt) -> None:
        try:
            self._start(lambda: self._run(attempt))
        except RuntimeError:  # No thread can be started now.
            self._end(attempt, None)

    def _run(self, attempt: _Attempt) -> None:
        found = None
        try:
            found = LastRead(self._read(), attempt.began, attempt.edition)
        except DatabaseUnavailableError as error:
            self.error = error
            logger.warning("the API's tokens cannot be read: %s", error)
        finally:
            self._end(attempt, found)

    def _end(self, attempt: _Attempt, found: LastRead[T] | None) -> None:
        with self._lock:
            self._attempt = None
            self._does_not_answer = found is None
            self._failed_at = self._monotonic() if found is None else None
            self.latest = found or self.latest
        attempt.done.set()

    def _wait(self, attempt: _Attempt) -> bool:
        """Whether the read ended in time."""
        timeout = FIRST_TIMEOUT if self.latest is None else TIMEOUT
        left = 0.0 if attempt.is_late else attempt.began + timeout - self._monotonic()
        if attempt.done.wait(max(0.0, left)):
            return True
        with self._lock:
            attempt.is_late = True
            # It may have ended just now.
            self._does_not_answer = self._does_not_answer or self._attempt is attempt
        return False


def in_a_thread(work: Work) -> None:
    """Run it in a thread that does not hold up the exit of the process."""
    threading.Thread(target=work, name="breakwall-tokens", daemon=True).start()
