"""What the pages of one process read: the newest snapshot, shared by all of them, with the history and the lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from breakwall.breaker import CircuitBreakerConfig
from breakwall.monitor.history.sample import Sample
from breakwall.web.live.poller import INTERVAL, Live, Seen
from breakwall.web.page.overview_lists import OverviewLists
from breakwall.web.page.per_snapshot import PerSnapshot
from breakwall.web.page.snapshot import PageSnapshot


def no_history() -> Sequence[Sample]:
    """Where no history is sampled."""
    return ()


def no_lists() -> None:
    """Where no lists are shown."""


class PageData:
    """The newest snapshot, for all open pages together. Thread-safe.

    ``config``: the circuit's. ``history`` reads the samples of the last hour, ``lists`` the overview's lists, or None
    while the database does not answer. Neither raises.
    """

    def __init__(
        self,
        live: Live,
        config: CircuitBreakerConfig,
        history: Callable[[], Sequence[Sample]] = no_history,
        lists: Callable[[], OverviewLists | None] = no_lists,
    ) -> None:
        self._live, self._config = live, config
        self._history: PerSnapshot[Sequence[Sample]] = PerSnapshot(history, ())
        self._lists = PerSnapshot(lists, None)

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
            history=self._history.with_snapshot(self._number_of(seen)),
            lists=self._lists.with_snapshot(self._number_of(seen)),
            age=self._live.age(seen),
            failed=seen.problem,
        )

    def history(self) -> Sequence[Sample]:
        """The samples of the backlog, first to last, as all pages show them now."""
        return self._history.with_snapshot(self._number_of(self._live.latest(INTERVAL)))

    @staticmethod
    def _number_of(seen: Seen) -> int:
        """Of the snapshot. None is newer while the database does not answer: then nothing else is read either."""
        return seen.number if seen.problem is None else -1
