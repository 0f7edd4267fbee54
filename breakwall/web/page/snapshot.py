"""One snapshot as the page reads it: the backlog, the workers, and for how long the payment service has been down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from breakwall.breaker import BreakerStatus, CircuitBreakerConfig, CircuitState
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.history.sample import Sample
from breakwall.monitor.history.transitions import CircuitTransition
from breakwall.payments.fleet.workers import Worker
from breakwall.web.page.overview_lists import OverviewLists


def arrivals_a_minute(point: Sample) -> float:
    """Orders a minute that began to wait in the span of a sample."""
    return 60 * point.arrivals / max(point.span, 1.0)


def completions_a_minute(point: Sample) -> float:
    """Orders a minute that had waited and ended in the span of a sample."""
    return 60 * (point.paid + point.declined + point.other) / max(point.span, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSnapshot:
    """What the page shows of one moment. ``age``: seconds since the database was read."""

    backlog: Backlog
    workers: Sequence[Worker] = ()
    config: CircuitBreakerConfig
    history: Sequence[Sample] = ()
    lists: OverviewLists | None = None  # None: they could not be read.
    age: float = 0.0
    failed: str | None = None  # Why there is no newer one; None: this is the newest.

    @property
    def is_stale(self) -> bool:
        """Whether the numbers are of another time than the page says."""
        return self.failed is not None or self.age > STALE_AFTER


STALE_AFTER = 10.0  # Seconds: several snapshots are missing then.


def down_for(
    breaker: BreakerStatus,
    at: datetime,
    history: Sequence[Sample],
    transitions: Sequence[CircuitTransition] = (),
) -> float | None:
    """Seconds since the payment service is down; None: it is not. ``transitions``: the newest first.

    The circuit itself knows since when it is open. A failed probe opens it anew, so the outage may be older: the last
    transitions tell, and the history if there were too many.
    """
    if breaker.state is CircuitState.CLOSED:
        return None
    since = max(breaker.store_time - (breaker.opened_at or breaker.store_time), 0.0)
    for one in transitions:
        since = max(since, breaker.store_time - one.at.timestamp())
        if one.before is CircuitState.CLOSED:
            return since
    for point in reversed(history):
        if not point.open_share:
            break
        since = max(since, (at - point.at).total_seconds())
    return since
