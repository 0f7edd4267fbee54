"""Alarms: faults that no single number shows, such as no live worker while orders wait.

Pure: `alarms` takes the counts and the circuit's status. Its texts have no markup.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from breakwall.breaker import BreakerStatus, CircuitState, OverrideMode
from breakwall.monitor.counts import STALLED_AFTER, Counts
from breakwall.monitor.homeless import homeless_text
from breakwall.monitor.let_go import GRACE
from breakwall.payments.fleet.workers import Worker
from breakwall.terminal.words import duration

# Seconds for which an order is due and the circuit allows a probe, before a missing probe is an alarm: many
# times the pause between two runs of a dispatcher.
UNPROBED = 60.0
STARTUP = 60.0  # Seconds after its start in which a worker may be idle.

CHECK_WORKERS = "See `breakwall workers` and the logs; restart a worker that hangs."


class AlarmKind(StrEnum):
    """What is wrong. The names are public."""

    STORE_LOST = "store_lost"
    NO_WORKER = "no_worker"
    NOBODY_PROBES = "nobody_probes"
    NOTHING_COMPLETED = "nothing_completed"
    OTHER_GATEWAY = "other_gateway"


@dataclass(frozen=True, slots=True)
class Alarm:
    """``message`` says what is wrong, ``advice`` what to do; each is a sentence or two."""

    kind: AlarmKind
    message: str
    advice: str


def alarms(
    counts: Counts, breaker: BreakerStatus, *, paused: bool = False, let_go: float = math.inf
) -> Iterator[Alarm]:
    """All alarms, each cause before its consequences.

    ``paused``: an operator has paused the queue. ``let_go``: seconds since the drain was let go, see
    `seconds_since_let_go`.
    """
    fleet = _Fleet(counts.fleet)
    if not breaker.store_ok:
        yield Alarm(
            AlarmKind.STORE_LOST,
            "The circuit's store does not answer: each process uses a local circuit.",
            "Run `breakwall doctor`: it checks the store.",
        )
    if fleet.missing and counts.queued + counts.abandoned > 0:
        yield Alarm(
            AlarmKind.NO_WORKER,
            "No worker is alive: waiting orders are not charged.",
            f"Start one: `breakwall worker`.{fleet.why_silent}",
        )
    if counts.homeless:
        yield _homeless(counts.homeless)
    if paused:
        return  # It is intended that nothing moves.
    if _unprobed(counts, breaker, fleet, let_go):
        start = "Start a worker. A customer's next order is a probe as well."
        yield Alarm(
            AlarmKind.NOBODY_PROBES,
            "The circuit is half-open, but no process probes.",
            start if fleet.missing else CHECK_WORKERS,
        )
    elif let_go >= GRACE and _stalled(counts, breaker, fleet):
        yield Alarm(
            AlarmKind.NOTHING_COMPLETED,
            f"Orders wait, but none of them was finished for {duration(STALLED_AFTER)}.",
            "Start a worker." if fleet.missing else CHECK_WORKERS,
        )


def _homeless(homeless: dict[str, int]) -> Alarm:
    waiting = homeless_text(homeless)
    return Alarm(
        AlarmKind.OTHER_GATEWAY,
        f"{waiting[0].upper()}{waiting[1:]}.",
        "Run a worker with the settings of that gateway until they are finished: docs/gateways.md.",
    )


def refuses_all(status: BreakerStatus) -> bool:
    """Whether the circuit refuses every payment: its override decides; without one, its computed state."""
    if status.override is not None:
        return status.override.mode is OverrideMode.FORCED_OPEN
    return status.state is CircuitState.OPEN


class _Fleet:
    """All workers, live and silent."""

    def __init__(self, workers: list[Worker]) -> None:
        self._known = workers
        self._alive = [worker for worker in workers if worker.alive]
        self.missing = not self._alive

    @property
    def why_silent(self) -> str:
        """What may have happened to the silent workers, as one more sentence."""
        fell = f"{len(self._known):,} fell silent" if self._known else ""
        return f" {fell}: dead, or without a way to the database; see `breakwall workers`." if fell else ""

    def idle(self, seconds: float) -> bool:
        """Whether every live worker has been idle for that long; True without any."""
        return all(worker.idle_seconds >= seconds for worker in self._alive)

    def past_startup(self) -> bool:
        """Whether a worker, live or silent, has run for `STARTUP`; True without a live one."""
        return not self._alive or any(worker.up_seconds >= STARTUP for worker in self._known)


def _unprobed(counts: Counts, breaker: BreakerStatus, fleet: _Fleet, let_go: float) -> bool:
    if not (_would_probe(breaker) and counts.queued):
        return False
    if counts.in_flight > counts.abandoned:
        return False  # a call is in progress, and may be the probe
    if fleet.missing:
        return True
    half_open_for = breaker.store_time - (breaker.open_until or breaker.store_time)
    unprobed_for = min(counts.oldest_due_age_seconds, half_open_for, let_go)
    return unprobed_for >= UNPROBED and fleet.idle(UNPROBED)


def _would_probe(breaker: BreakerStatus) -> bool:
    half_open = breaker.state is CircuitState.HALF_OPEN and breaker.override is None
    return half_open and breaker.store_ok and breaker.slots != 0


def _stalled(counts: Counts, breaker: BreakerStatus, fleet: _Fleet) -> bool:
    # While the store is lost, the circuit may be open in other processes: then no order is finished.
    let_through = breaker.store_ok and not refuses_all(breaker) and breaker.slots != 0
    return counts.stalled and let_through and fleet.past_startup() and fleet.idle(STALLED_AFTER)
