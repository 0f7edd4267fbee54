"""The backlog in the log, at Celery's default level: a line when it begins, each minute of it, and when it is gone.

`look` is called by the dispatcher's thread after each of its own looks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitState, OverrideMode
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.worker.backlog_counts import (
    Glimpse,
    Waiting,
    count_settled,
    count_waiting,
    glimpse,
    speaks_for_all,
)

log = logging.getLogger("breakwall.backlog")

PATIENCE = 10.0
"""Seconds that an order may wait before that is called a backlog: a retry or two are everyday life."""

EVERY = 60.0
"""Seconds between two lines of it."""

LOOK = 1.0
"""Seconds between two looks at the database."""


class BacklogLog:
    """Tells of the backlog; changes nothing, and nothing that goes wrong here is anybody's concern.

    Args:
        database: where the orders are.
        breaker: the payment service's circuit; only its status is read.
        depth: messages that wait at the broker, None when it does not answer.
        refused: whether the broker took none of the last messages; one that is full still answers.
        clock: what ages are measured by.
        monotonic: seconds, for the pauses.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        depth: Callable[[], int | None],
        *,
        refused: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._depth = depth
        self._refused = refused
        self._clock = clock or DatabaseClock()
        self._monotonic = monotonic
        self._next_look = self._next_line = float("-inf")
        self._began: datetime | None = None

    def look(self) -> None:
        """Look, if it is time to, and tell what is new. Raises nothing."""
        now = self._monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        try:
            self._tell(self._database.read(lambda connection: glimpse(connection, self._clock)))
        except (DatabaseUnavailableError, SchemaError):
            pass  # the dispatcher tells of that
        except Exception:
            log.exception("the look at the backlog failed and is tried again in a minute")
            self._next_look = now + EVERY

    def _tell(self, seen: Glimpse) -> None:
        if self._began is None:
            if self._is_backlog(seen):
                self._began = seen.now - timedelta(seconds=seen.oldest_seconds)
                self._say("a backlog has begun")
        elif seen.waiting:
            if self._monotonic() >= self._next_line:
                self._say("the backlog goes on")
        elif not seen.unfinished:
            self._say_gone(self._began, seen.now)
            self._began = None

    def _is_backlog(self, seen: Glimpse) -> bool:
        if not seen.waiting:
            return False
        return seen.oldest_seconds >= PATIENCE or _stopped(self._breaker.status()) is not None

    def _say(self, what: str) -> None:
        self._next_line = self._monotonic() + EVERY
        if not self._is_mine():
            return
        waiting = self._database.read(lambda connection: count_waiting(connection, self._clock))
        messages = self._depth()
        held_up_by = _held_up_by(waiting, self._breaker.status(), messages, refused=self._refused())
        log.warning(
            "%s: %s; %s",
            *(what, waiting, held_up_by),
            extra={
                "queued": waiting.queued,
                "due": waiting.due,
                "oldest_age_seconds": round(waiting.oldest_seconds, 1),
                "drained_last_minute": waiting.drained,
                "amounts": dict(waiting.amounts),
                "broker_messages": messages,
                "held_up_by": held_up_by,
            },
        )

    def _say_gone(self, began: datetime, now: datetime) -> None:
        if not self._is_mine():
            return
        settled = self._database.read(lambda connection: count_settled(connection, began))
        lasted = (now - began).total_seconds()
        fields = {"lasted_seconds": round(lasted, 1), "settled": settled}
        if not settled:
            told = "after %s s the orders of the backlog are no longer there; none was settled"
            log.warning(told, f"{lasted:,.0f}", extra=fields)
            return
        ends = ", ".join(f"{number:,} {status}" for status, number in settled.items())
        log.warning(
            "the backlog is gone after %s s: %s orders that had waited were settled (%s)",
            *(f"{lasted:,.0f}", f"{sum(settled.values()):,}", ends),
            extra=fields,
        )

    def _is_mine(self) -> bool:
        def ask(connection: Connection) -> bool:
            return speaks_for_all(connection, self._clock)

        try:
            return self._database.read(ask)
        except (DatabaseUnavailableError, SchemaError):
            return True  # a database of the version before has no heartbeats


def _held_up_by(waiting: Waiting, status: BreakerStatus, messages: int | None, *, refused: bool) -> str:
    stopped = _stopped(status)
    if stopped is not None:
        return stopped
    if waiting.rejected:
        return f"the payment service rejected {waiting.rejected:,} of them: `breakwall doctor` looks at the settings"
    if messages is None:
        return "the broker does not answer"
    if waiting.due == 0:
        return f"none is due, the next one in {waiting.next_due_seconds:,.0f} s"
    if refused:
        return "the broker takes no messages"
    if waiting.drained:
        return f"workers charge them, {waiting.drained:,} in the last minute"
    return "workers try them, and none was settled in the last minute"


def _stopped(status: BreakerStatus) -> str | None:
    """What the circuit keeps them by, if it does."""
    word = status.override
    if word is not None:
        if word.mode is not OverrideMode.FORCED_OPEN:
            return None
        return f"the circuit is forced open by {word.actor}: {word.reason}"
    if status.state is CircuitState.OPEN:
        return f"the circuit is open, the first probe in {status.retry_after:,.0f} s"
    if status.state is CircuitState.HALF_OPEN:
        return "the circuit is half-open: a few calls try the payment service"
    return None
