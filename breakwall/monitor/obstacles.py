"""Why no waiting order moves: each obstacle in a clause, the one to look at first before the others.

Pure: `obstacles` takes what a snapshot has read. Its texts have no markup.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from breakwall.actors import by_actor
from breakwall.breaker import BreakerStatus, CircuitState, OverrideMode
from breakwall.monitor.counts import DRAIN_WINDOW, Counts
from breakwall.monitor.homeless import MOST, homeless_text
from breakwall.monitor.let_go import GRACE
from breakwall.payments.db.clock import seconds_between
from breakwall.payments.fleet.drain_control import Pause
from breakwall.terminal.words import duration


class ObstacleKind(StrEnum):
    """What holds the waiting orders. The names are public."""

    PAUSED = "paused"
    DATABASE_READ_ONLY = "database_read_only"
    FORCED_OPEN = "forced_open"
    CIRCUIT_OPEN = "circuit_open"
    HANGING = "hanging"
    LIMIT_REACHED = "limit_reached"
    THROTTLED = "throttled"
    PROBING = "probing"
    NO_WORKER = "no_worker"
    BROKER_LOST = "broker_lost"
    NONE_DUE = "none_due"
    OTHER_GATEWAY = "other_gateway"
    REJECTED = "rejected"
    WORKERS_IDLE = "workers_idle"
    NONE_FINISHED = "none_finished"

    @property
    def stops(self) -> bool:
        """Whether no order can be finished before it is gone. Otherwise some may be, or will be by themselves."""
        return self not in {
            ObstacleKind.LIMIT_REACHED,
            ObstacleKind.THROTTLED,
            ObstacleKind.PROBING,
            ObstacleKind.NONE_DUE,
            ObstacleKind.REJECTED,
            ObstacleKind.NONE_FINISHED,
        }


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``message`` is a clause, such as "no worker is alive"."""

    kind: ObstacleKind
    message: str


def obstacles(
    counts: Counts,
    breaker: BreakerStatus,
    messages: int | None,
    paused: Pause | None,
    *,
    read_only: bool,
    let_go: float = math.inf,
) -> tuple[Obstacle, ...]:
    """All that holds the waiting orders; nothing if none waits or some move.

    ``messages``: those that wait at the broker, None if it does not answer. ``read_only``: the database takes no write.
    ``let_go``: seconds since the drain was let go, see `seconds_since_let_go`.
    """
    if not counts.queued:
        return ()
    first = (
        *_decided(counts, paused, read_only=read_only),
        *_of_the_circuit(breaker, counts),
        *_of_the_fleet(counts, messages),
    )
    return first or tuple(_of_the_orders(counts, let_go))


def _decided(counts: Counts, paused: Pause | None, *, read_only: bool) -> Iterator[Obstacle]:
    if paused is not None:
        yield Obstacle(ObstacleKind.PAUSED, f"the queue is {paused_text(paused, counts)}")
    if read_only:
        yield Obstacle(ObstacleKind.DATABASE_READ_ONLY, "the orders database is read-only")


def paused_text(paused: Pause, counts: Counts) -> str:
    """Who has paused the queue, since and until when, and why."""
    since = duration(seconds_between(paused.at, counts.at))
    until = (
        "" if paused.until is None else f", for another {duration(seconds_between(counts.at, paused.until))}"
    )
    why = "" if paused.reason is None else f": {paused.reason}"
    return f"paused{by_actor(paused.actor)}, {since} ago{until}{why}"


def _of_the_circuit(breaker: BreakerStatus, counts: Counts) -> Iterator[Obstacle]:
    if not breaker.store_ok:
        return  # Each process has a circuit of its own: the alarm says so.
    if breaker.override is not None:
        if breaker.override.mode is OverrideMode.FORCED_OPEN:
            by, why = by_actor(breaker.override.actor), breaker.override.reason
            yield Obstacle(ObstacleKind.FORCED_OPEN, f"the circuit is forced open{by}: {why}")
        return
    if breaker.state is CircuitState.OPEN:
        wait = duration(breaker.retry_after)
        yield Obstacle(ObstacleKind.CIRCUIT_OPEN, f"the circuit is open, the next call in {wait}")
    elif breaker.state is CircuitState.HALF_OPEN:
        if breaker.slots == 0:
            yield Obstacle(ObstacleKind.PROBING, "the circuit is half-open, and its probes are in progress")
    else:
        yield from _of_the_limit(breaker, counts)


def _of_the_limit(breaker: BreakerStatus, counts: Counts) -> Iterator[Obstacle]:
    # Each process notices a hang by its own calls. A worker writes it into its heartbeat.
    if breaker.hanging or any(worker.alive and worker.hanging for worker in counts.fleet):
        message = "the payment service hangs: too many of the calls in progress are overdue"
        yield Obstacle(ObstacleKind.HANGING, message)
    elif breaker.limit is not None and breaker.in_hand >= breaker.limit:
        message = f"the payment service has the {breaker.limit:,} calls in progress that it may have at once"
        yield Obstacle(ObstacleKind.LIMIT_REACHED, message)
    # A process that has just begun has no turn yet, whatever the workers do.
    elif breaker.background_slots == 0 and not counts.drained_last_minute:
        message = "the payment service refused calls as too many (429), and asked for a pause"
        yield Obstacle(ObstacleKind.THROTTLED, message)


def _of_the_fleet(counts: Counts, messages: int | None) -> Iterator[Obstacle]:
    if not any(worker.alive for worker in counts.fleet):
        yield Obstacle(ObstacleKind.NO_WORKER, "no worker is alive")
    elif messages is None:  # Without a worker the embedded broker does not run.
        yield Obstacle(ObstacleKind.BROKER_LOST, "the broker does not answer")


def _of_the_orders(counts: Counts, let_go: float) -> Iterator[Obstacle]:
    if counts.in_flight > counts.abandoned or counts.drained_last_minute:
        return
    if counts.due == 0:
        wait = duration(counts.next_due_seconds or 0.0)
        yield Obstacle(ObstacleKind.NONE_DUE, f"none is due, the next in {wait}")
    elif sum(counts.homeless.values()) >= min(counts.due, MOST):
        yield Obstacle(ObstacleKind.OTHER_GATEWAY, homeless_text(counts.homeless))
    elif counts.rejected.orders:
        message = f"the payment service rejected {counts.rejected.orders:,} of them when they were last tried"
        yield Obstacle(ObstacleKind.REJECTED, message)
    elif min(counts.oldest_due_age_seconds, let_go) < GRACE:
        return
    elif all(worker.idle_seconds >= DRAIN_WINDOW for worker in counts.fleet if worker.alive):
        message = "no live worker has tried one for a minute; its log says whether it reaches the broker"
        yield Obstacle(ObstacleKind.WORKERS_IDLE, message)
    else:
        message = "workers try them, and none was finished in the last minute"
        yield Obstacle(ObstacleKind.NONE_FINISHED, message)
