"""Logs each change of the payment circuit, with its cause.

Openings, closings after them and overrides are warnings, so that Celery's default level shows them.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from breakwall.actors import by_actor
from breakwall.breaker import CircuitState, Event, Hang, Limited, Overridden, OverrideMode, Reset, Transition
from breakwall.payments.gateways.base import ChargeAnswer, Health, LookupAnswer

log = logging.getLogger("breakwall.circuit")

MAX_ANSWERS = 10_000  # The answers that are kept to explain an opening: the newest.
SHOWN_CODES = 5

_MODES = {
    OverrideMode.FORCED_OPEN: "forced open",
    OverrideMode.FORCED_CLOSED: "forced closed",
    OverrideMode.OBSERVING: "set to observe",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What happened in this process within the window before an opening."""

    calls: int
    kinds: Counter[str]  # Failures by their codes.

    @property
    def failures(self) -> int:
        return self.kinds.total()

    def __str__(self) -> str:
        if not self.failures:
            return "no call failed in this process"
        named = ", ".join(f"{kind} ({number:,})" for kind, number in self.kinds.most_common(SHOWN_CODES))
        return f"in this process {self.failures:,} of {self.calls:,} calls failed: {named}"


class CircuitLog:
    """Listens to a circuit's events and to the answers that cause them. Safe for threads.

    Failures count for ``window`` seconds. An opening within ``pause`` seconds after a warning is logged at INFO, and so
    is its end.
    """

    def __init__(self, clock: Callable[[], float], *, window: float, pause: float = 0.0) -> None:
        self._clock = clock
        self._window = window
        self._pause = pause
        self._lock = threading.Lock()
        self._answers: deque[tuple[float, str | None]] = deque(maxlen=MAX_ANSWERS)
        self._quiet_until = float("-inf")
        self._level = logging.WARNING
        self._open_since: float | None = None
        self._hangs_are_quiet_until = float("-inf")
        self._hang_level = logging.WARNING
        self._state_known = False

    def record_answer(self, answer: ChargeAnswer | LookupAnswer) -> None:
        """Keep an answer of the payment service. Call this before the outcome is recorded in the circuit."""
        if answer.health is Health.NEUTRAL:
            return
        code = None if answer.health is Health.SUCCESS else answer.code or "without a code"
        with self._lock:
            self._answers.append((self._clock(), code))

    def on_event(self, event: Event) -> None:
        """The listener for `CircuitBreaker.listen`."""
        if isinstance(event, Overridden):
            self._overridden(event)
        elif isinstance(event, Hang):
            self._hung(event)
        elif isinstance(event, Limited):
            _log_limit(event)
        elif isinstance(event, Reset):
            _log_reset(event)
        elif isinstance(event, Transition):
            transitions = {
                CircuitState.OPEN: self._opened,
                CircuitState.HALF_OPEN: self._half_opened,
                CircuitState.CLOSED: self._closed,
            }
            transitions[event.after](event)

    def _opened(self, event: Transition) -> None:
        cause, now = self._take_cause(event), self._clock()
        with self._lock:
            again, known = self._open_since is not None, self._state_known
            self._state_known = True
            self._open_since = self._open_since if again else now
            self._level = logging.INFO if now < self._quiet_until else logging.WARNING
            if self._level == logging.WARNING:
                self._quiet_until = now + self._pause
        # A process may find the circuit open at its start.
        opened = "opened again" if again else "opened" if known or cause.failures else "is open"
        log.log(
            self._level,
            "the circuit %s %s: %s; %s. Orders are queued; the first probe in %.0f s",
            *(event.name, opened, _reason(event), cause, event.retry_after),
            extra=_fields(
                event,
                failures=event.failures,
                failures_here=cause.failures,
                calls_here=cause.calls,
                kinds=dict(cause.kinds),
                retry_after=round(event.retry_after, 1),
            ),
        )

    def _half_opened(self, event: Transition) -> None:
        with self._lock:
            self._answers.clear()  # They are of calls that were in progress when it opened, not of probes.
        half_open = "the circuit %s is half-open: a few calls try the payment service"
        log.info(half_open, event.name, extra=_fields(event))

    def _closed(self, event: Transition) -> None:
        with self._lock:
            since, self._open_since = self._open_since, None
            self._state_known = True
            self._answers.clear()  # They cannot explain the next opening.
        if since is None:
            return
        lasted = self._clock() - since
        log.log(
            self._level,
            "the circuit %s closed again, %.0f s after this process saw it open: payments go through",
            *(event.name, lasted),
            extra=_fields(event, open_seconds=round(lasted, 1)),
        )

    def _hung(self, event: Hang) -> None:
        if not event.over:
            with self._lock:
                now = self._clock()
                self._hang_level = logging.INFO if now < self._hangs_are_quiet_until else logging.WARNING
                if self._hang_level == logging.WARNING:
                    self._hangs_are_quiet_until = now + self._pause
        text = (
            "the service of the circuit %s answers again; %d calls in hand"
            if event.over
            else "the service of the circuit %s hangs: too many of %d calls in hand are overdue. Orders are queued"
        )
        fields = {"circuit": event.name, "hanging": not event.over, "in_hand": event.in_hand}
        log.log(self._hang_level, text, event.name, event.in_hand, extra=fields)

    def _overridden(self, event: Overridden) -> None:
        override = event.override
        if override is None:
            lifted = "the override of the circuit %s was lifted: it decides for itself"
            log.warning(lifted, event.name, extra={"circuit": event.name, "override": None})
            return
        until = None if override.expires_at is None else _moment(override.expires_at)
        end = f"until {until}" if until else "until it is lifted"
        log.warning(
            "the circuit %s was %s%s, %s: %s",
            *(event.name, _MODES[override.mode], by_actor(override.actor), end, override.reason),
            extra={
                "circuit": event.name,
                "override": override.mode.value,
                "actor": override.actor,
                "reason": override.reason,
                "until": until,
            },
        )

    def _take_cause(self, event: Transition) -> Cause:
        """The cause of this opening. Its answers explain no later one."""
        with self._lock:
            answers, self._answers = self._answers, deque(maxlen=MAX_ANSWERS)
        # From open to open this process saw no half-open circuit and had no probe: its answers are of earlier calls.
        since = self._clock() - self._window if event.before is not CircuitState.OPEN else float("inf")
        codes = [code for at, code in answers if at >= since]
        return Cause(len(codes), Counter(code for code in codes if code is not None))


def _log_reset(event: Reset) -> None:
    by, why = (f" by {event.actor}" if event.actor else ""), (f": {event.reason}" if event.reason else "")
    fields = {"circuit": event.name, "actor": event.actor, "reason": event.reason}
    log.warning("the circuit %s was reset%s%s", event.name, by, why, extra=fields)


def _log_limit(event: Limited) -> None:
    fields = {"circuit": event.name, "limit": event.limit}
    if event.limit is None:
        log.info(
            "the circuit %s has no limit any more: the payment service takes all calls",
            event.name,
            extra=fields,
        )
    else:
        limited = "the circuit %s begins with %d calls at once, over all processes, and finds what the service takes"
        log.info(limited, event.name, event.limit, extra=fields)


def _fields(event: Transition, **more: object) -> dict[str, object]:
    return {"circuit": event.name, "state": event.after.value, **more}


def _reason(event: Transition) -> str:
    # A process that refreshes once a second often does not see it half-open.
    if event.before is CircuitState.HALF_OPEN or event.reopenings:
        return "a probe failed"
    if event.failures == 0:
        return "the payment service asked for a pause"
    return f"{event.failures:,} failure{'s' if event.failures > 1 else ''} in all processes"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
