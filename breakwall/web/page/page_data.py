"""What the pages of one process read: one snapshot for all of them, at most each `INTERVAL` seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.web.page.snapshot import HistoryPoint, PageSnapshot

INTERVAL = 2.0  # Seconds: a person does not read faster.


def no_history() -> Sequence[HistoryPoint]:
    """Where no history is sampled."""
    return ()


@dataclass(slots=True)
class _Newest:
    seen: PageSnapshot | None = None
    taken: float = float("-inf")  # On the monotonic clock, also of a snapshot that failed.
    read: float = 0.0  # When ``seen`` was read.


class PageData:
    """The newest snapshot, for all open pages together. Thread-safe."""

    def __init__(
        self,
        monitor: Monitor,
        history: Callable[[], Sequence[HistoryPoint]] = no_history,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monitor = monitor
        self._history = history
        self._now = now
        self._lock = threading.Lock()
        self._newest = _Newest()

    def latest(self) -> PageSnapshot | None:
        """The newest snapshot; None if there never was one. One that could not be renewed says why."""
        with self._lock:
            if self._now() - self._newest.taken >= INTERVAL:
                self._newest = self._take()
            newest = self._newest
            return newest.seen and replace(newest.seen, age=self._now() - newest.read)

    def history(self) -> Sequence[HistoryPoint]:
        """The samples of the backlog, first to last."""
        return self._history()

    def _take(self) -> _Newest:
        try:
            backlog, workers = self._monitor.snapshot_with_workers()
            seen = PageSnapshot(
                backlog=backlog, workers=workers, config=self._monitor.breaker.config, history=self._history()
            )
        except DatabaseUnavailableError as error:
            old = self._newest
            failed = old.seen and replace(old.seen, failed=type(error).__name__)
            return _Newest(failed, self._now(), old.read)
        return _Newest(seen, self._now(), self._now())
