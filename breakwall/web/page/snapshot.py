"""One snapshot as the page reads it: the backlog, the workers, and for how long the payment service has been down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from breakwall.breaker import BreakerStatus, CircuitBreakerConfig, CircuitState
from breakwall.monitor.backlog import Backlog
from breakwall.payments.fleet.workers import Worker


class HistoryPoint(Protocol):
    """One sample of the backlog's history: the numbers at one moment, and what happened in the ``span`` before it.

    ``arrivals``: orders that began to wait; ``paid``, ``declined``, ``other``: that had waited and ended;
    ``open_share``: the share of the span in which the circuit admitted no call, 0 to 1. The span is in seconds.
    """

    @property
    def at(self) -> datetime: ...
    @property
    def span(self) -> float: ...
    @property
    def queued(self) -> int: ...
    @property
    def arrivals(self) -> int: ...
    @property
    def paid(self) -> int: ...
    @property
    def declined(self) -> int: ...
    @property
    def other(self) -> int: ...
    @property
    def oldest_due_age_seconds(self) -> float: ...
    @property
    def open_share(self) -> float: ...


def arrivals_a_minute(point: HistoryPoint) -> float:
    """Orders a minute that began to wait in the span of a sample."""
    return 60 * point.arrivals / max(point.span, 1.0)


def completions_a_minute(point: HistoryPoint) -> float:
    """Orders a minute that had waited and ended in the span of a sample."""
    return 60 * (point.paid + point.declined + point.other) / max(point.span, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSnapshot:
    """What the page shows of one moment. ``age``: seconds since the database was read."""

    backlog: Backlog
    workers: Sequence[Worker] = ()
    config: CircuitBreakerConfig
    history: Sequence[HistoryPoint] = ()
    age: float = 0.0
    failed: str | None = None  # Why there is no newer one; None: this is the newest.
    extra: Extra = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", Extra.of(self.backlog))

    @property
    def is_stale(self) -> bool:
        """Whether the numbers are of another time than the page says."""
        return self.failed is not None or self.age > STALE_AFTER


STALE_AFTER = 10.0  # Seconds: several snapshots are missing then.


@dataclass(frozen=True, slots=True)
class Extra:
    """The numbers of a snapshot that a monitor of the version before does not have."""

    money: Mapping[str, Mapping[str, int]]  # By state and currency, minor units.
    net_rate: float | None  # Orders a second that the backlog grows by; less than 0: it shrinks.
    arrivals_last_minute: int | None
    retry_histogram: Sequence[RetryBar]
    next_retries: Sequence[NextRetries]
    failures: Sequence[FailureKind]
    broker_difference: int | None

    @classmethod
    def of(cls, backlog: Backlog) -> Extra:
        """Those of ``backlog``."""
        return cls(
            money=getattr(backlog, "money", {"queued": backlog.amounts}),
            net_rate=getattr(backlog, "net_rate", None),
            arrivals_last_minute=getattr(backlog, "arrivals_last_minute", None),
            retry_histogram=getattr(backlog, "retry_histogram", ()),
            next_retries=getattr(backlog, "next_retries", ()),
            failures=getattr(backlog, "failures", ()),
            broker_difference=getattr(backlog, "broker_difference", None),
        )


class RetryBar(Protocol):
    """How many waiting orders were retried ``least`` to ``most`` times; ``most`` None: or more."""

    @property
    def least(self) -> int: ...
    @property
    def most(self) -> int | None: ...
    @property
    def orders(self) -> int: ...


class NextRetries(Protocol):
    """How many waiting orders are due within so many seconds, and not within fewer; None: later."""

    @property
    def within_seconds(self) -> float | None: ...
    @property
    def orders(self) -> int: ...


class FailureKind(Protocol):
    """Waiting orders whose last attempt failed in the same way."""

    @property
    def outcome(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def orders(self) -> int: ...
    @property
    def last_seen(self) -> datetime | None: ...
    @property
    def sample(self) -> str | None: ...
    @property
    def detail(self) -> str | None: ...


def down_for(breaker: BreakerStatus, at: datetime, history: Sequence[HistoryPoint]) -> float | None:
    """Seconds since the payment service is down, from the history too; None: it is not.

    The circuit itself knows since when it is open. A failed probe opens it anew, so the outage may be older.
    """
    if breaker.state is CircuitState.CLOSED:
        return None
    since = max(breaker.store_time - (breaker.opened_at or breaker.store_time), 0.0)
    for point in reversed(history):
        if not point.open_share:
            break
        since = max(since, (at - point.at).total_seconds())
    return since
