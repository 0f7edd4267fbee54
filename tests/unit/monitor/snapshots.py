"""Snapshots of circuits, backlogs and workers, for the tests that show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from breakwall.breaker import BreakerStatus, CircuitState, Override, OverrideMode
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.counts import Counts, Rejected
from breakwall.payments.fleet.workers import Worker

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

CLOSED = BreakerStatus(
    name="payment",
    state=CircuitState.CLOSED,
    slots=None,
    retry_after=0.0,
    generation=2,
    failure_count=1,
    success_count=7,
    opened_at=None,
    open_until=None,
    last_failure_at=990.0,
    open_count=1,
    override=None,
    store_ok=True,
    store_error=None,
    store_time=1000.0,
)
OPEN = replace(CLOSED, state=CircuitState.OPEN, slots=0, retry_after=18.0, opened_at=280.0, open_until=1018.0)
PROBING = replace(CLOSED, state=CircuitState.HALF_OPEN, slots=2, opened_at=280.0, open_until=990.0)
FORCED = {mode: Override(mode, "why", "ana", 900.0, None) for mode in OverrideMode}

QUIET = Backlog(
    at=datetime(2026, 11, 27, tzinfo=UTC),
    queued=0,
    due=0,
    in_flight=0,
    review=0,
    dead=0,
    oldest_age_seconds=0.0,
    next_due_seconds=None,
    drained_last_minute=0,
    drain_eta_seconds=0.0,
    broker_messages=0,
    incidents=0,
    breaker=CLOSED,
)
OUTAGE = replace(
    QUIET,
    queued=1284,
    oldest_age_seconds=725.0,
    next_due_seconds=18.0,
    drain_eta_seconds=None,
    broker_messages=None,
    breaker=OPEN,
)

REJECTION = "http_401: It did not accept our credentials, look at the password in BREAKWALL_PAYMENT_URL."
REJECTED = replace(
    QUIET, queued=1284, oldest_age_seconds=725.0, next_due_seconds=18.0, rejected=Rejected(1270, REJECTION)
)

CALM = Counts(
    at=NOON,
    queued=0,
    due=0,
    oldest_age_seconds=0.0,
    next_due_seconds=None,
    drained_last_minute=0,
    incidents=0,
    last_due=0.0,
    span=0.0,
    stalled=False,
    fleet=[],
)
BUSY = Worker(
    id="w1",
    name="celery@web-1",
    host="web-1",
    pid=1,
    slots=20,
    version="1",
    reads=1,
    lacks=None,
    started_at=NOON,
    seen_at=NOON,
    idle_since=NOON,
    alive=True,
    up_seconds=86_400.0,
    silent_seconds=1.0,
    idle_seconds=2.0,
)
