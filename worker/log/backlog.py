"""The backlog in the log, at Celery's default level: one line when it begins, one each minute, one when it is gone."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitState, OverrideMode
from breakwall.currencies import show_money
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.worker.log.backlog_queries import (
    BacklogSample,
    amounts_by_currency,
    count_finished,
    is_oldest_worker,
    sample_backlog,
)

log = logging.getLogger("breakwall.backlog")

LEAST_AGE = 10.0  # Seconds that an order waits before that is called a backlog: a retry or two are normal.

LINE_INTERVAL = 60.0  # Seconds between two lines about the same backlog.

LOOK_INTERVAL = 1.0  # Seconds between two looks at the database.


class BacklogLog:
    """Logs the backlog; changes nothing and raises nothing.

    Args:
        database: where the orders are.
        breaker: the payment service's circuit; only its status is read.
        depth: messages that wait at the broker; None if it does not answer.
        publishing_fails: whether the broker took none of the last messages; a full one still answers.
        clock: what ages are measured by.
        monotonic: seconds, for the intervals.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        depth: Callable[[], int | None],
        *,
        publishing_fails: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._publishing_fails = publishing_fails
        self._clock = clock or DatabaseClock()
        self._monitor = Monitor(database, breaker, depth, clock=self._clock)
        self._monotonic = monotonic
        self._next_look = self._next_line = float("-inf")
        self._began: datetime | None = None

    def run_once(self) -> None:
        """Look at the backlog and log what is new, if it is time to. Called after each look of the dispatcher."""
        now = self._monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_INTERVAL
        try:
            self._update(self._database.read(lambda connection: sample_backlog(connection, self._clock)))
        except (DatabaseUnavailableError, SchemaError):
            pass  # the dispatcher reports that
        except Exception:
            log.exception("the look at the backlog failed and is tried again in a minute")
            self._next_look = now + LINE_INTERVAL

    def _update(self, sample: BacklogSample) -> None:
        if self._began is None:
            if self._is_backlog(sample):
                self._began = sample.now - timedelta(seconds=sample.oldest_seconds)
                self._write("a backlog has begun")
        elif sample.waiting:
            if self._monotonic() >= self._next_line:
                self._write("the backlog goes on")
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
        amounts = self._database.read(amounts_by_currency)
        backlog = self._monitor.snapshot()
        obstacle = _circuit_obstacle(backlog.breaker) or self._other_obstacle(backlog)
        log.warning(
            "%s: %s; %s",
            *(what, _in_words(backlog, amounts), obstacle),
            extra={
                "queued": backlog.queued,
                "due": backlog.due,
                "oldest_age_seconds": round(backlog.oldest_age_seconds, 1),
                "drained_last_minute": backlog.drained_last_minute,
                "amounts": amounts,
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
        if not finished:
            log.warning(
                "after %s s the orders of the backlog are no longer there; none was finished",
                f"{lasted:,.0f}",
                extra=fields,
            )
            return
        statuses = ", ".join(f"{number:,} {status}" for status, number in finished.items())
        log.warning(
            "the backlog is gone after %s s: %s orders that had waited are finished (%s)",
            *(f"{lasted:,.0f}", f"{sum(finished.values()):,}", statuses),
            extra=fields,
        )

    def _is_reporter(self) -> bool:
        """Whether this worker writes the lines: one of many does, the oldest."""
        try:
            return self._database.read(lambda connection: is_oldest_worker(connection, self._clock))
        except (DatabaseUnavailableError, SchemaError):
            return True  # a database of an older version has no heartbeats

    def _other_obstacle(self, backlog: Backlog) -> str:
        rejected, drained = backlog.rejected.orders, backlog.drained_last_minute
        if rejected:
            return (
                f"the payment service rejected {rejected:,} of them: `breakwall doctor` looks at the settings"
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


def _in_words(backlog: Backlog, amounts: Mapping[str, int]) -> str:
    orders_wait = "orders wait" if backlog.queued > 1 else "order waits"
    money = ", ".join(show_money(amount, currency) for currency, amount in amounts.items())
    oldest = f"the oldest for {backlog.oldest_age_seconds:,.0f} s"
    return f"{backlog.queued:,} {orders_wait} ({backlog.due:,} due), {money}, {oldest}"


def _circuit_obstacle(status: BreakerStatus) -> str | None:
    """How the circuit keeps the orders waiting; None if it does not."""
    override = status.override
    if override is not None:
        if override.mode is not OverrideMode.FORCED_OPEN:
            return None
        return f"the circuit is forced open by {override.actor}: {override.reason}"
    if status.state is CircuitState.OPEN:
        return f"the circuit is open, the first probe in {status.retry_after:,.0f} s"
    if status.state is CircuitState.HALF_OPEN:
        return "the circuit is half-open: a few calls try the payment service"
    return None
