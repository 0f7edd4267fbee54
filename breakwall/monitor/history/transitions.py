"""How a circuit came from one look to the next: each transition between them, and its cause. Pure.

A status tells the state and how often the circuit has opened, tried and closed. Each state leads only to certain
others, so no transition is missed, however short a state lasted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from breakwall.breaker import BreakerStatus, CircuitState

MOST = 20  # Of more transitions between two looks, only the last ones are told.


class TransitionCause(StrEnum):
    """Why the circuit changed its state. The names are public."""

    FAILURES = "failures"  # So many failures that the threshold was reached.
    PAUSE_ASKED = "pause_asked"  # The payment service asked for a pause.
    INTERVAL_OVER = "interval_over"  # The open interval was over, or a person ended it: a probe was sent.
    PROBE_FAILED = "probe_failed"
    PROBES_SUCCEEDED = "probes_succeeded"
    RESET = "reset"  # By a program, with `CircuitBreaker.reset`.


@dataclass(frozen=True, slots=True)
class CircuitTransition:
    """One change of the circuit's state. ``at``: within about a second, aware, in UTC.

    ``generation`` and ``open_count`` are those of `BreakerStatus` after it; ``failures`` those that have opened the
    circuit, None if that is not known or it was for another cause.
    """

    at: datetime
    generation: int
    open_count: int
    before: CircuitState
    after: CircuitState
    cause: TransitionCause
    failures: int | None = None


@dataclass(frozen=True, slots=True)
class StoredTransition(CircuitTransition):
    """A transition that was written down. A later one has a larger ``id``."""

    id: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class CircuitPosition:
    """Where a circuit stands. ``state`` is the stored one: open until the first probe was sent."""

    state: CircuitState
    generation: int
    openings: int

    @classmethod
    def of(cls, status: BreakerStatus) -> CircuitPosition:
        is_open = status.half_open_count < status.open_count
        return cls(CircuitState.OPEN if is_open else status.state, status.generation, status.open_count)

    @classmethod
    def after(cls, transition: CircuitTransition) -> CircuitPosition:
        return cls(transition.after, transition.generation, transition.open_count)

    @property
    def closings(self) -> int:
        """How often it has closed: every transition that is none of the other two."""
        return self.generation - 2 * self.openings + (self.state is CircuitState.OPEN)


def transitions_between(last: CircuitPosition, status: BreakerStatus) -> list[CircuitTransition]:
    """The transitions since ``last``, first to last. None if the circuit is another one: its store was emptied."""
    now = CircuitPosition.of(status)
    if now.openings < last.openings or now.generation < last.generation:
        return []
    states = list(_states(last, now))
    if states[-1] is not now.state:  # No way without a reset leads there.
        return [_reset(last, now, status)] if last.state is not now.state else []
    found = [_transition(last, states, place, status) for place in range(1, len(states))]
    return _in_order(found)[-MOST:]


def _in_order(found: list[CircuitTransition]) -> list[CircuitTransition]:
    """None is later than the one after it: only of the last opening the moment is known exactly."""
    for place in range(len(found) - 2, -1, -1):
        found[place] = replace(found[place], at=min(found[place].at, found[place + 1].at))
    return found


def _reset(last: CircuitPosition, now: CircuitPosition, status: BreakerStatus) -> CircuitTransition:
    at = datetime.fromtimestamp(status.store_time, UTC)
    cause = TransitionCause.RESET
    return CircuitTransition(at, now.generation, now.openings, last.state, now.state, cause)


def _states(last: CircuitPosition, now: CircuitPosition) -> Iterator[CircuitState]:
    """The states, the first one included. Where two ways are possible, probes failed first."""
    state, closings = last.state, now.closings - last.closings
    # After each closing the circuit has opened, but for the last one of a circuit that is closed now. The other
    # openings are failed probes.
    reopenings = now.openings - last.openings - (last.state is CircuitState.CLOSED) - closings
    reopenings += now.state is CircuitState.CLOSED
    yield state
    for _ in range(now.generation - last.generation):
        if state is CircuitState.OPEN:
            state = CircuitState.HALF_OPEN
        elif state is CircuitState.HALF_OPEN and reopenings <= 0:
            state = CircuitState.CLOSED
        else:
            reopenings -= state is CircuitState.HALF_OPEN
            state = CircuitState.OPEN
        yield state


def _transition(
    last: CircuitPosition, states: list[CircuitState], place: int, status: BreakerStatus
) -> CircuitTransition:
    before, after = states[place - 1], states[place]
    openings = last.openings + states[1 : place + 1].count(CircuitState.OPEN)
    is_last_opening = after is CircuitState.OPEN and openings == status.open_count
    # Of an outage that is over, the circuit knows no failures and no moment any more.
    is_known = is_last_opening and status.state is not CircuitState.CLOSED
    failures = status.failure_count if is_known else None
    at = status.opened_at if is_known and status.opened_at is not None else status.store_time
    return CircuitTransition(
        datetime.fromtimestamp(at, UTC),
        last.generation + place,
        openings,
        before,
        after,
        _cause(before, after, failures),
        failures if before is CircuitState.CLOSED and failures else None,
    )


def _cause(before: CircuitState, after: CircuitState, failures: int | None) -> TransitionCause:
    if before is CircuitState.CLOSED:
        return TransitionCause.PAUSE_ASKED if failures == 0 else TransitionCause.FAILURES
    if before is CircuitState.OPEN:
        return TransitionCause.INTERVAL_OVER
    if after is CircuitState.OPEN:
        return TransitionCause.PROBE_FAILED
    return TransitionCause.PROBES_SUCCEEDED
