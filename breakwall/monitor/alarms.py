"""What an operator must be told although each number by itself looks calm: that nobody is at work, or knows why.

Pure: `alarms` is given what was counted, the circuit and the workers. Every text is plain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from breakwall.breaker import BreakerStatus, CircuitState, OverrideMode
from breakwall.monitor.counts import STILL, Counts
from breakwall.payments.fleet.workers import Worker
from breakwall.terminal.words import duration

UNPROBED = 60.0
"""Seconds for which the circuit would let a probe through, and an order is due, until it is an alarm that none of the
workers sends it: many times the pause between two looks of a dispatcher."""

JUST_STARTED = 60.0
"""Seconds that workers have after their start, before they are expected to have done anything."""

WHO = "See `breakwall workers` and the logs; restart a worker that hangs."


class Trouble(StrEnum):
    """What is wrong; the names are for programs, and stay."""

    STORE_LOST = "store_lost"
    NO_WORKER = "no_worker"
    NOBODY_PROBES = "nobody_probes"
    NOTHING_COMPLETED = "nothing_completed"


@dataclass(frozen=True, slots=True)
class Alarm:
    """``message`` is what is wrong, ``advice`` what to do, each in a sentence."""

    kind: Trouble
    message: str
    advice: str


def alarms(counts: Counts, breaker: BreakerStatus) -> tuple[Alarm, ...]:
    """All that is wrong, the cause before what follows from it."""
    return tuple(_alarms(counts, breaker))


def refuses_all(status: BreakerStatus) -> bool:
    """Whether no payment is tried: on an operator's word, or, without one, by the computed state."""
    if status.override is not None:
        return status.override.mode is OverrideMode.FORCED_OPEN
    return status.state is CircuitState.OPEN


def _alarms(counts: Counts, breaker: BreakerStatus) -> Iterator[Alarm]:
    fleet = _Fleet(counts.fleet)
    if not breaker.store_ok:
        yield Alarm(
            Trouble.STORE_LOST,
            "The circuit's store does not answer: each process judges on its own.",
            "Run `breakwall doctor`: it looks at the store.",
        )
    if fleet.missing and counts.queued + counts.abandoned > 0:
        yield Alarm(
            Trouble.NO_WORKER,
            "No worker is alive: what waits stays where it is.",
            "Start one: `breakwall worker`.",
        )
    if _unprobed(counts, breaker, fleet):
        start = "Start a worker. A customer's next order probes as well."
        yield Alarm(
            Trouble.NOBODY_PROBES,
            "The circuit is half-open and nobody probes.",
            start if fleet.missing else WHO,
        )
    elif _stands_still(counts, breaker, fleet):
        yield Alarm(
            Trouble.NOTHING_COMPLETED,
            f"Orders wait and nothing has been completed for {duration(STILL)}.",
            "Start a worker." if fleet.missing else WHO,
        )


class _Fleet:
    """What the workers' heartbeats say together; None: nobody can tell."""

    def __init__(self, workers: list[Worker] | None) -> None:
        self._known = workers or []
        self._alive = [worker for worker in self._known if worker.alive]
        self.missing = workers is not None and not self._alive

    def idle(self, seconds: float) -> bool:
        """Whether none of them has done anything for so long, or none is alive."""
        return all(worker.idle_seconds >= seconds for worker in self._alive)

    def settled_in(self) -> bool:
        """Whether one has run for long enough to have done something, be it one that went silent since."""
        return not self._alive or any(worker.up_seconds >= JUST_STARTED for worker in self._known)


def _unprobed(counts: Counts, breaker: BreakerStatus, fleet: _Fleet) -> bool:
    if not (_would_probe(breaker) and counts.queued):
        return False
    if counts.others.get("in_flight", 0) > counts.abandoned:
        return False  # somebody is at it
    if fleet.missing:
        return True
    long_enough = min(counts.due_for, breaker.store_time - (breaker.open_until or breaker.store_time))
    return long_enough >= UNPROBED and fleet.idle(UNPROBED)


def _would_probe(breaker: BreakerStatus) -> bool:
    half_open = breaker.state is CircuitState.HALF_OPEN and breaker.override is None
    return half_open and breaker.store_ok and breaker.slots != 0


def _stands_still(counts: Counts, breaker: BreakerStatus, fleet: _Fleet) -> bool:
    # Of a circuit whose store is lost nobody knows whether it is why.
    let_through = breaker.store_ok and not refuses_all(breaker) and breaker.slots != 0
    return counts.still and let_through and fleet.settled_in() and fleet.idle(STILL)
