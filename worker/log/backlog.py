"""Logs the backlog at Celery's default level: when it begins, once a minute, and when it is gone."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitState, OverrideMode
from breakwall.currencies import show_money
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.worker.log.backlog_queries import (
    MOST_FINISHED,
    BacklogSample,
    count_finished,
    is_oldest_worker,
    sample_backlog,
)

log = logging.getLogger("breakwall.backlog")

LEAST_AGE = 10.0  # Seconds that an order waits before there is a backlog: a retry or two are normal.
LINE_INTERVAL = 60.0  # Seconds between two lines about the same backlog.
SAMPLE_INTERVAL = 1.0  # Seconds between two samples of the database.


class BacklogLog:
    """Logs the backlog; changes nothing and raises nothing. Of the breaker it reads only the status.

    ``depth`` gives the number of messages that wait at the broker, or None if it does not answer. A full broker
    answers, so ``publishing_fails`` says whether it took none of the last messages.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        depth: Callable[[], int | None],
        *,
        publishing_fails: Callable[[], bool] = lambda: False,
        clock: Clock = DATABASE_CLOCK,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._publishing_fails = publishing_fails
        self._clock = clock
        self._monitor = Monitor(database, breaker, depth, clock=self._clock)
        self._monotonic = monotonic
        self._next_sample = self._next_line = float("-inf")
        self._began: datetime | None = None

    def run_once(self) -> None:
        """Log what is new, if the time for a sample has come. Called after each run of the dispatcher."""
        now = self._monotonic()
        if now < self._next_sample:
            return
        self._next_sample = now + SAMPLE_INTERVAL
        try:
            self._update(self._database.read(lambda connection: sample_backlog(connection, self._clock)))
        except (DatabaseUnavailableError, SchemaError):
            pass  # the dispatcher reports that
        except Exception:
            log.exception("the backlog could not be read; the next try is in a minute")
            self._next_sample = now + LINE_INTERVAL

    def _update(self, sample: BacklogSample) -> None:
        if self._began is None:
            if self._is_backlog(sample):
                self._began = sample.now - timedelta(seconds=sample.oldest_seconds)
                self._write("a backlog has begun")
        elif sample.waiting:
            if self._monotonic() >= self._next_line:
                self._write("the backlog continues")
        elif not sample.in_flight:
            self._write_gone(self._began, sample.now)
            self._began = None

    def _is_backlog(self, sample: BacklogSample) -> bool:
        if not sample.waiting:
            return False
        return sample.oldest_seconds >= LEAST_AGE or _circuit_obstacle(self._breaker.status()) is not None

    def _write(self, what: str) -> None:
        self._next_line = self._monotonic() + LINE_INTERVAL
        if not self._is_reporter():
            return
        backlog = self._monitor.snapshot()
        obstacle = _pause(backlog) or _circuit_obstacle(backlog.breaker) or self._other_obstacle(backlog)
        log.warning(
            "%s: %s; %s",
            *(what, _in_words(backlog), obstacle),
            extra={
                "queued": backlog.queued,
                "due": backlog.due,
                "oldest_age_seconds": round(backlog.oldest_age_seconds, 1),
                "drained_last_minute": backlog.drained_last_minute,
                "amounts": backlog.amounts,
                "counted": backlog.counted,
                "broker_messages": backlog.broker_messages,
                "held_up_by": obstacle,
            },
        )

    def _write_gone(self, began: datetime, now: datetime) -> None:
        if not self._is_reporter():
            return
        finished = self._database.read(lambda connection: count_finished(connection, began))
        lasted = (now - began).total_seconds()
        fields = {"lasted_seconds": round(lasted, 1), "settled": finished}
        gone = f"after {lasted:,.0f} s the orders of the backlog are no longer there; none was finished"
        if finished:
            statuses = ", ".join(f"{number:,} {status}" for status, number in finished.items())
            total = sum(finished.values())
            number = f"{total:,} orders that had waited are finished ({statuses})"
            if total >= MOST_FINISHED:
                number = f"at least {number}"
            gone = f"the backlog is gone after {lasted:,.0f} s: {number}"
        log.warning("%s", gone, extra=fields)

    def _is_reporter(self) -> bool:
        """Whether this worker writes the lines: only the oldest of all workers does."""
        try:
            return self._database.read(lambda connection: is_oldest_worker(connection, self._clock))
        except (DatabaseUnavailableError, SchemaError):
            return True  # unknown: two lines are better than none

    def _other_obstacle(self, backlog: Backlog) -> str:
        rejected, drained = backlog.rejected.orders, backlog.drained_last_minute
        if rejected:
            return (
                f"the payment service rejected {rejected:,} of them: `breakwall doctor` checks the settings"
            )
        if backlog.broker_messages is None:
            return "the broker does not answer"
        if backlog.due == 0:
            return f"none is due, the next one in {backlog.next_due_seconds or 0.0:,.0f} s"
        if self._publishing_fails():
            return "the broker takes no messages"
        if drained:
            return f"workers charge them, {drained:,} in the last minute"
        return "workers try them, and none was finished in the last minute"


def _in_words(backlog: Backlog) -> str:
    orders_wait = "orders wait" if backlog.queued > 1 else "order waits"
    money = ", ".join(show_money(amount, currency) for currency, amount in backlog.amounts.items())
    oldest = f"the oldest for {backlog.oldest_age_seconds:,.0f} s"
    if backlog.counted.is_partial:
        return f"{backlog.queued_text} {orders_wait} (not counted in full), {oldest}"
    return f"{backlog.queued_text} {orders_wait} ({backlog.due:,} due), {money}, {oldest}"


def _pause(backlog: Backlog) -> str | None:
    paused = backlog.paused
    return None if paused is None else f"drain paused by {paused.actor}: {paused.reason}"


def _circuit_obstacle(status: BreakerStatus) -> str | None:
    """How the circuit keeps the orders waiting; None if it does not."""
    if (override := status.override) is not None:
        forced_open = f"the circuit is forced open by {override.actor}: {override.reason}"
        return forced_open if override.mode is OverrideMode.FORCED_OPEN else None
    if status.state is CircuitState.OPEN:
        return f"the circuit is open, the first probe in {status.retry_after:,.0f} s"
    if status.state is CircuitState.HALF_OPEN:
        return "the circuit is half-open: a few calls try the payment service"
    return None
