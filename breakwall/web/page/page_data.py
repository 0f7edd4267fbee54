"""What the pages of one process read: the newest snapshot, shared by all of them, and the history of the last hour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from breakwall.breaker import CircuitBreakerConfig
from breakwall.monitor.history.sample import Sample
from breakwall.web.live.poller import INTERVAL, Live, Seen
from breakwall.web.page.snapshot import PageSnapshot


def no_history() -> Sequence[Sample]:
    """Where no history is sampled."""
    return ()


class PageData:
    """The newest snapshot, for all open pages together. Thread-safe.

    ``config``: the circuit's. ``history`` reads the samples of the last hour; it never raises.
    """

    def __init__(
        self,
        live: Live,
        config: CircuitBreakerConfig,
        history: Callable[[], Sequence[Sample]] = no_history,
    ) -> None:
        self._live, self._config, self._read_history = live, config, history
        self._lock = threading.Lock()  # Around reading the history.
        self._number = -1  # Of the snapshot that the history was read with.
        self._samples: Sequence[Sample] = ()

    def latest(self) -> PageSnapshot | None:
        """The newest snapshot; None if there never was one. One that could not be renewed says why."""
        return self.of(self._live.latest(INTERVAL))

    def of(self, seen: Seen) -> PageSnapshot | None:
        """The snapshot with what else the pages show; None if there never was one."""
        if seen.backlog is None:
            return None
        return PageSnapshot(
            backlog=seen.backlog,
            workers=seen.fleet,
            config=self._config,
            history=self._history_with(seen),
            age=self._live.age(seen),
            failed=seen.problem,
        )

    def history(self) -> Sequence[Sample]:
        """The samples of the backlog, first to last, as all pages show them now."""
        return self._history_with(self._live.latest(INTERVAL))

    def _history_with(self, seen: Seen) -> Sequence[Sample]:
        """The samples, read once for each snapshot. While one reader waits for them, the others take those before."""
        number = seen.number
        if seen.problem is None and number > self._number and self._lock.acquire(blocking=self._number < 0):
            try:
                if number > self._number:
                    self._samples, self._number = self._read_history(), number
            finally:
                self._lock.release()
        return self._samples
