"""Snapshots for the operator's page: each situation, with numbers of a plausible outage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from breakwall.breaker import BreakerStatus, CircuitBreakerConfig, CircuitState
from breakwall.breaker.circuit.state import Override, OverrideMode
from breakwall.monitor.alarms import Alarm, AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.failures import FailureGroup
from breakwall.monitor.history.sample import Sample
from breakwall.monitor.obstacles import Obstacle, ObstacleKind
from breakwall.monitor.order_counts import Rejected
from breakwall.monitor.retry_shape import DueBucket, RetryBucket
from breakwall.payments.fleet.drain_control import Pause
from breakwall.payments.fleet.workers import Worker
from breakwall.web.page.snapshot import PageSnapshot

NOW = datetime(2026, 11, 28, 10, 20, 0, tzinfo=UTC)
STORE_NOW = NOW.timestamp()
CONFIG = CircuitBreakerConfig(failure_threshold=3, half_open_max_calls=3)


def circuit(**values: Any) -> BreakerStatus:
    """A closed circuit, with these values."""
    closed = BreakerStatus(
        name="payment",
        state=CircuitState.CLOSED,
        slots=None,
        retry_after=0.0,
        generation=4,
        failure_count=0,
        success_count=212,
        opened_at=None,
        open_until=None,
        last_failure_at=STORE_NOW - 3600,
        open_count=2,
        override=None,
        store_ok=True,
        store_error=None,
        store_time=STORE_NOW,
    )
    return replace(closed, **values)


def open_circuit(seconds: float = 720.0, probe: float = 18.0) -> BreakerStatus:
    """Open for so many seconds, with the next probe in ``probe``."""
    return circuit(
        state=CircuitState.OPEN,
        slots=0,
        retry_after=probe,
        failure_count=3,
        success_count=1,
        opened_at=STORE_NOW - seconds,
        open_until=STORE_NOW + probe,
        last_failure_at=STORE_NOW - 12,
        open_count=3,
    )


def overridden(mode: OverrideMode, expires: float | None = None) -> BreakerStatus:
    """With an operator's override, of ten minutes ago."""
    until = None if expires is None else STORE_NOW + expires
    return circuit(override=Override(mode, "provider maintenance", "anna", STORE_NOW - 600, until))


def worker(name: str = "celery@web-1", **values: Any) -> Worker:
    """A live worker, with these values."""
    alive = Worker(
        id=name,
        name=name,
        host="web-1",
        pid=4711,
        slots=8,
        version="0.12",
        reads=1,
        lacks=None,
        started_at=NOW - timedelta(hours=5),
        seen_at=NOW - timedelta(seconds=2),
        idle_since=None,
        alive=True,
        up_seconds=18_000.0,
        silent_seconds=2.0,
        idle_seconds=1.0,
    )
    return replace(alive, **values)


def backlog(**values: Any) -> Backlog:
    """A calm one, with these values."""
    calm: dict[str, Any] = {
        "at": NOW,
        "queued": 0,
        "due": 0,
        "oldest_age_seconds": 0.0,
        "next_due_seconds": None,
        "drained_last_minute": 0,
        "incidents": 0,
        "drain_eta_seconds": 0.0,
        "drain_eta_range_seconds": (0.0, 0.0),
        "broker_messages": 0,
        "breaker": circuit(),
        "workers": 2,
        "slots": 16,
        "net_rate": 0.0,
        "arrivals_last_minute": 0,
        "broker_difference": 0,
    }
    return Backlog(**{**calm, **values})


WAITING: dict[str, Any] = {
    "queued": 1284,
    "due": 37,
    "in_flight": 3,
    "amounts": {"KRW": 48_210_000},
    "money": {"queued": {"KRW": 48_210_000}},
    "oldest_age_seconds": 660.0,
    "oldest_due_age_seconds": 41.0,
    "next_due_seconds": 0.0,
    "drain_eta_seconds": None,
    "drain_eta_range_seconds": None,
    "net_rate": 1.8,
    "arrivals_last_minute": 109,
    "broker_messages": 0,
    "broker_difference": 37,
    "retry_histogram": (
        RetryBucket(0, 0, 612),
        RetryBucket(1, 1, 401),
        RetryBucket(2, 3, 230),
        RetryBucket(4, None, 41),
    ),
    "next_retries": (
        DueBucket(0, 37),
        DueBucket(10, 122),
        DueBucket(60, 800),
        DueBucket(300, 320),
        DueBucket(None, 5),
    ),
    "failures": (
        FailureGroup("unknown", "timeout", 640, NOW - timedelta(seconds=14), "a" * 32, "no answer in 10 s"),
        FailureGroup("not_sent", "connect", 32, NOW - timedelta(seconds=70), "b" * 32, "connection refused"),
    ),
}

DRAINING: dict[str, Any] = {
    **WAITING,
    "drained_last_minute": 420,
    "drain_eta_seconds": 183.0,
    "drain_eta_range_seconds": (183.0, 290.0),
    "net_rate": -5.2,
}


def blocked(kind: ObstacleKind) -> tuple[Obstacle, ...]:
    return (Obstacle(kind, "a clause"),)


def alarm(kind: AlarmKind) -> tuple[Alarm, ...]:
    return (Alarm(kind, "Something is wrong.", "Do something."),)


def pause(until: float | None = None) -> Pause:
    """Of five minutes ago; ``until``: in so many seconds."""
    end = None if until is None else NOW + timedelta(seconds=until)
    return Pause("minjun", "deploy of the gateway", NOW - timedelta(minutes=5), end)


# By the situation that the verdict must name, a backlog in it.
BACKLOGS: dict[str, Backlog] = {
    "read_only": backlog(**WAITING, blocked_by=blocked(ObstacleKind.DATABASE_READ_ONLY)),
    "no_worker": backlog(
        **WAITING,
        workers=0,
        slots=0,
        blocked_by=blocked(ObstacleKind.NO_WORKER),
        warnings=(
            Alarm(
                AlarmKind.NO_WORKER,
                "No worker is alive: waiting orders are not charged.",
                "Start one: `breakwall worker`.",
            ),
        ),
    ),
    "forced_open": backlog(
        **WAITING,
        breaker=overridden(OverrideMode.FORCED_OPEN, 1800.0),
        blocked_by=blocked(ObstacleKind.FORCED_OPEN),
    ),
    "paused": backlog(**WAITING, paused=pause(900.0), blocked_by=blocked(ObstacleKind.PAUSED)),
    "broker_away": backlog(
        **{**WAITING, "broker_messages": None, "broker_difference": None},
        blocked_by=blocked(ObstacleKind.BROKER_LOST),
    ),
    "store_lost": backlog(**WAITING, breaker=circuit(store_ok=False), warnings=alarm(AlarmKind.STORE_LOST)),
    "down": backlog(**WAITING, breaker=open_circuit(), blocked_by=blocked(ObstacleKind.CIRCUIT_OPEN)),
    "unprobed": backlog(
        **WAITING,
        breaker=circuit(state=CircuitState.HALF_OPEN, slots=3, opened_at=STORE_NOW - 720),
        warnings=alarm(AlarmKind.NOBODY_PROBES),
    ),
    "other_gateway": backlog(**WAITING, warnings=alarm(AlarmKind.OTHER_GATEWAY)),
    "rejected": backlog(**WAITING, rejected=Rejected(40, "401")),
    "stalled": backlog(**WAITING, warnings=alarm(AlarmKind.NOTHING_COMPLETED)),
    "hanging": backlog(**WAITING, blocked_by=blocked(ObstacleKind.HANGING)),
    "probing": backlog(
        **WAITING,
        breaker=circuit(state=CircuitState.HALF_OPEN, slots=0, opened_at=STORE_NOW - 750),
        blocked_by=blocked(ObstacleKind.PROBING),
    ),
    "forced_closed": backlog(**DRAINING, breaker=overridden(OverrideMode.FORCED_CLOSED)),
    "slow": backlog(
        **DRAINING, breaker=circuit(limit=4, in_hand=4), blocked_by=blocked(ObstacleKind.LIMIT_REACHED)
    ),
    "needs_person": backlog(dead=2, review=1),
    "draining": backlog(**DRAINING),
    "waiting": backlog(queued=3, due=0, next_due_seconds=12.0, oldest_age_seconds=8.0),
    "calm": backlog(),
}


def seen(situation: str = "calm", **values: Any) -> PageSnapshot:
    """What the page knows in a situation of `BACKLOGS`."""
    workers = () if situation == "no_worker" else (worker(), worker("celery@web-2", slots=8))
    given = {
        "backlog": BACKLOGS[situation],
        "workers": workers,
        "config": CONFIG,
        "history": history(situation),
    }
    return PageSnapshot(**{**given, **values})


def history(situation: str = "calm") -> list[Sample]:
    """Half an hour of samples; of an outage of twelve minutes until now, unless all is calm."""
    is_calm = situation == "calm"
    return [_sample(ago, 0 if is_calm else max(0, 720 - ago)) for ago in range(1800, 0, -10)]


def _sample(ago: int, down: int) -> Sample:
    """Of so many seconds ago; ``down``: for how long the payment service was down by then."""
    at = NOW - timedelta(seconds=ago)
    done = 0 if down else 15 + ago % 3
    return sample(
        at,
        queued=int(down * 1.8),
        arrivals=16 + ago % 4,
        paid=done,
        oldest_due_age_seconds=down * 0.06,
        open_share=float(down > 0),
    )


def sample(at: datetime, **values: Any) -> Sample:
    """One of the history, with these values."""
    empty: dict[str, Any] = {"span": 10.0, "queued": 0, "due": 0, "in_flight": 0, "review": 0, "dead": 0}
    return Sample(at=at, **{**empty, **values})
