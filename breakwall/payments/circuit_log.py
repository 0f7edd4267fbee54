"""The payment circuit's changes in the log, each with its cause: what an outage looks like from the outside.

Openings, overrides and the return are warnings, so that they are seen at Celery's default level.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from breakwall.breaker import CircuitState, Event, Overridden, OverrideMode, Transition
from breakwall.payments.gateways.base import Answer, Health, LookUpAnswer

log = logging.getLogger("breakwall.circuit")

REMEMBERED = 10_000
"""Answers of this process that an opening is explained by, at most."""

SHOWN_KINDS = 5

_MODES = {
    OverrideMode.FORCED_OPEN: "forced open",
    OverrideMode.FORCED_CLOSED: "forced closed",
    OverrideMode.OBSERVING: "set to observe",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What this process has seen within the window, of the time that the circuit last opened after.

    ``kinds`` counts the failures by their codes.
    """

    calls: int
    kinds: Counter[str]

    @property
    def failures(self) -> int:
        return self.kinds.total()

    def __str__(self) -> str:
        named = ", ".join(f"{kind} ({number:,})" for kind, number in self.kinds.most_common(SHOWN_KINDS))
        return f"in this process {self.failures:,} of {self.calls:,} calls failed: {named}"


class CircuitLog:
    """Hears a circuit's events and the answers that bring them about. Safe for threads.

    Args:
        clock: seconds, monotonic.
        window: seconds for which failures count for the circuit.
        pause: seconds between two openings that are warned of; those in between, and their ends, are told at INFO.
    """

    def __init__(self, clock: Callable[[], float], *, window: float, pause: float = 0.0) -> None:
        self._clock = clock
        self._window = window
        self._pause = pause
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, str | None]] = deque(maxlen=REMEMBERED)
        self._silent_until = float("-inf")
        self._level = logging.WARNING
        self._open_since: float | None = None
        self._known = False

    def record_answer(self, answer: Answer | LookUpAnswer) -> None:
        """Take note of an answer of the payment service, before the circuit judges it."""
        if answer.health is Health.NEUTRAL:
            return
        failed = answer.health is not Health.SUCCESS
        kind = (answer.code or "without a code") if failed else None
        with self._lock:
            self._seen.append((self._clock(), kind))

    def on_event(self, event: Event) -> None:
        """To be given to `CircuitBreaker.listen`."""
        if isinstance(event, Overridden):
            self._overridden(event)
        elif isinstance(event, Transition):
            tell = {
                CircuitState.OPEN: self._opened,
                CircuitState.HALF_OPEN: self._half_open,
                CircuitState.CLOSED: self._closed,
            }
            tell[event.after](event)

    def _opened(self, event: Transition) -> None:
        cause, now = self._take_cause(event), self._clock()
        with self._lock:
            again, known = self._open_since is not None, self._known
            self._known = True
            self._open_since = self._open_since if again else now
            self._level = logging.INFO if now < self._silent_until else logging.WARNING
            if self._level == logging.WARNING:
                self._silent_until = now + self._pause
        # What a process finds at its start may have been so for long.
        opened = "opened again" if again else "opened" if known or cause.failures else "is open"
        log.log(
            self._level,
            "the circuit %s %s: %s; %s. Orders are queued; the first probe in %.0f s",
            *(event.name, opened, _why(event), _seen_here(cause), event.retry_after),
            extra={
                "circuit": event.name,
                "state": event.after.value,
                "failures": event.failures,
                "failures_here": cause.failures,
                "calls_here": cause.calls,
                "kinds": dict(cause.kinds),
                "retry_after": round(event.retry_after, 1),
            },
        )

    def _half_open(self, event: Transition) -> None:
        with self._lock:
            self._seen.clear()  # calls that were in hand when it opened: no probe's
        fields = {"circuit": event.name, "state": event.after.value}
        log.info("the circuit %s is half-open: a few calls try the payment service", event.name, extra=fields)

    def _closed(self, event: Transition) -> None:
        with self._lock:
            since, self._open_since = self._open_since, None
            self._known = True
            self._seen.clear()  # what comes now is another story
        if since is None:
            return
        lasted = self._clock() - since
        fields = {"circuit": event.name, "state": event.after.value, "open_seconds": round(lasted, 1)}
        log.log(
            self._level,
            "the circuit %s closed again, %.0f s after this process saw it open: payments go through",
            *(event.name, lasted),
            extra=fields,
        )

    def _overridden(self, event: Overridden) -> None:
        word = event.override
        if word is None:
            fields = {"circuit": event.name, "override": None}
            log.warning(
                "the override of the circuit %s was lifted: it decides for itself", event.name, extra=fields
            )
            return
        until = None if word.expires_at is None else _moment(word.expires_at)
        log.warning(
            "the circuit %s was %s by %s, %s: %s",
            *(event.name, _MODES[word.mode], word.actor, f"until {until}" if until else "until it is lifted"),
            word.reason,
            extra={
                "circuit": event.name,
                "override": word.mode.value,
                "actor": word.actor,
                "reason": word.reason,
                "until": until,
            },
        )

    def _take_cause(self, event: Transition) -> Cause:
        """What explains this opening, and no other one."""
        with self._lock:
            seen, self._seen = self._seen, deque(maxlen=REMEMBERED)
        # Who has not seen it half-open had no probe, only calls in hand from before.
        since = self._clock() - self._window if event.before is not CircuitState.OPEN else float("inf")
        recent = [kind for at, kind in seen if at >= since]
        return Cause(len(recent), Counter(kind for kind in recent if kind is not None))


def _why(event: Transition) -> str:
    # Who looks once a second has often not seen it half-open.
    if event.before is CircuitState.HALF_OPEN or event.reopenings:
        return "a probe failed"
    if event.failures == 0:
        return "the payment service asked for a pause"
    return f"{event.failures:,} failure{'s' if event.failures > 1 else ''} in all processes"


def _seen_here(cause: Cause) -> str:
    return str(cause) if cause.failures else "this process saw none of it"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
