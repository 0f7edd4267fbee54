"""What the pages of one process read: the newest snapshot, shared by all of them, and the history of the last hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from breakwall.breaker import CircuitBreakerConfig
from breakwall.web.live.poller import INTERVAL, Live
from breakwall.web.page.snapshot import HistoryPoint, PageSnapshot


def no_history() -> Sequence[HistoryPoint]:
    """Where no history is sampled."""
    return ()


class PageData:
    """The newest snapshot, for all open pages together. Thread-safe.

    ``config``: the circuit's. ``history`` reads the samples of the last hour; it may fail as the database does.
    """

    def __init__(
        self,
        live: Live,
        config: CircuitBreakerConfig,
        history: Callable[[], Sequence[HistoryPoint]] = no_history,
    ) -> None:
        self._live, self._config, self._history = live, config, history
        self._number = -1  # Of the snapshot that the history was read with.
        self._samples: Sequence[HistoryPoint] = ()

    def latest(self) -> PageSnapshot | None:
        """The newest snapshot; None if there never was one. One that could not be renewed says why."""
        seen = self._live.latest(INTERVAL)
        if seen.backlog is None:
            return None
        if seen.number != self._number:
            self._samples, self._number = self._history(), seen.number
        return PageSnapshot(
            backlog=seen.backlog,
            workers=seen.fleet,
            config=self._config,
            history=self._samples,
            age=self._live.age(seen),
            failed=seen.problem,
        )

    def history(self) -> Sequence[HistoryPoint]:
        """The samples of the backlog, first to last."""
        return self._history()
