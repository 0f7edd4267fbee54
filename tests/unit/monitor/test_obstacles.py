"""Why nothing moves: everything that holds the orders, and nothing where some move."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.breaker import BreakerStatus, OverrideMode
from breakwall.monitor.counts import Counts, Rejected
from breakwall.monitor.obstacles import Obstacle, ObstacleKind, obstacles
from breakwall.payments.fleet.drain_control import Pause
from tests.unit.monitor.snapshots import BUSY, CALM, CLOSED, FORCED, NOON, OPEN, PROBING

# An order is due and a worker is alive: it will be charged in a moment.
MOVING = replace(CALM, queued=1, due=1, fleet=[BUSY])
PAUSE = Pause("alice", "maintenance", NOON - timedelta(minutes=12))


def limited(**fields: object) -> BreakerStatus:
    return replace(CLOSED, **fields)  # type: ignore[arg-type]


def found(
    counts: Counts = MOVING,
    breaker: BreakerStatus = CLOSED,
    messages: int | None = 0,
    paused: Pause | None = None,
    *,
    read_only: bool = False,
) -> tuple[Obstacle, ...]:
    return obstacles(counts, breaker, messages, paused, read_only=read_only)


@pytest.mark.parametrize(
    ("seen", "kind", "message"),
    [
        (
            found(paused=PAUSE),
            ObstacleKind.PAUSED,
            "the queue is paused by alice, 12 min ago: maintenance",
        ),
        (
            found(paused=replace(PAUSE, until=NOON + timedelta(seconds=30))),
            ObstacleKind.PAUSED,
            "the queue is paused by alice, 12 min ago, for another 30 s: maintenance",
        ),
        (found(read_only=True), ObstacleKind.DATABASE_READ_ONLY, "the orders database is read-only"),
        (
            found(breaker=replace(CLOSED, slots=0, override=FORCED[OverrideMode.FORCED_OPEN])),
            ObstacleKind.FORCED_OPEN,
            "the circuit is forced open by ana: why",
        ),
        (found(breaker=OPEN), ObstacleKind.CIRCUIT_OPEN, "the circuit is open, the next call in 18 s"),
        (
            found(breaker=replace(PROBING, slots=0)),
            ObstacleKind.PROBING,
            "the circuit is half-open, and its probes are in progress",
        ),
        (
            found(breaker=limited(hanging=True, limit=4, in_hand=4)),
            ObstacleKind.HANGING,
            "the payment service hangs: too many of the calls in progress are overdue",
        ),
        (
            found(replace(MOVING, fleet=[replace(BUSY, hanging=True)])),
            ObstacleKind.HANGING,
            "the payment service hangs: too many of the calls in progress are overdue",
        ),
        (
            found(breaker=limited(background_slots=0, rate=20.0)),
            ObstacleKind.THROTTLED,
            "the payment service refused calls as too many (429), and asked for a pause",
        ),
        (
            found(breaker=limited(limit=4, in_hand=5)),
            ObstacleKind.LIMIT_REACHED,
            "the payment service has the 4 calls in progress that it may have at once",
        ),
        (found(replace(MOVING, fleet=[])), ObstacleKind.NO_WORKER, "no worker is alive"),
        (
            found(replace(MOVING, fleet=[replace(BUSY, alive=False)]), messages=None),
            ObstacleKind.NO_WORKER,
            "no worker is alive",
        ),
        (found(messages=None), ObstacleKind.BROKER_LOST, "the broker does not answer"),
        (
            found(replace(MOVING, due=0, next_due_seconds=18.0)),
            ObstacleKind.NONE_DUE,
            "none is due, the next in 18 s",
        ),
        (
            found(replace(MOVING, rejected=Rejected(7, "http_401"))),
            ObstacleKind.REJECTED,
            "the payment service rejected 7 of them when they were last tried",
        ),
        (
            found(replace(MOVING, oldest_due_age_seconds=60.0)),
            ObstacleKind.NONE_FINISHED,
            "workers try them, and none was finished in the last minute",
        ),
        (
            found(replace(MOVING, oldest_due_age_seconds=60.0, fleet=[replace(BUSY, idle_seconds=60.0)])),
            ObstacleKind.WORKERS_IDLE,
            "no live worker has tried one for a minute; its log says whether it reaches the broker",
        ),
    ],
)
def test_each_obstacle_is_named(seen: tuple[Obstacle, ...], kind: ObstacleKind, message: str) -> None:
    assert seen == (Obstacle(kind, message),)


@pytest.mark.parametrize(
    "seen",
    [
        found(),
        found(replace(MOVING, oldest_due_age_seconds=59.0)),
        found(replace(MOVING, oldest_due_age_seconds=300.0, drained_last_minute=1)),
        found(replace(MOVING, due=0, next_due_seconds=18.0, in_flight=1)),
        found(
            replace(MOVING, fleet=[BUSY, replace(BUSY, alive=False, hanging=True)])
        ),  # it died during a hang
        found(breaker=PROBING),
        found(breaker=replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED])),
        found(breaker=replace(OPEN, store_ok=False)),  # an alarm reports it
        found(breaker=limited(limit=4, in_hand=3)),
        found(breaker=limited(limit=None, in_hand=300)),
    ],
)
def test_where_orders_move_there_is_no_obstacle(seen: tuple[Obstacle, ...]) -> None:
    assert seen == ()


def test_where_no_order_waits_nothing_is_held() -> None:
    assert found(CALM, OPEN, None, PAUSE, read_only=True) == ()


def test_all_are_named_what_a_person_decided_before_the_rest() -> None:
    """A person who ends the pause wants to know that the orders do not move then either."""
    seen = found(replace(MOVING, fleet=[]), OPEN, None, PAUSE, read_only=True)
    assert [one.kind for one in seen] == ["paused", "database_read_only", "circuit_open", "no_worker"]


def test_an_order_that_is_not_due_is_no_obstacle_beside_another() -> None:
    seen = found(replace(MOVING, due=0, next_due_seconds=18.0), OPEN)
    assert [one.kind for one in seen] == ["circuit_open"]


def test_what_ends_by_itself_does_not_stop_the_drain() -> None:
    passing = {kind for kind in ObstacleKind if not kind.stops}
    assert passing == {"limit_reached", "throttled", "probing", "none_due", "rejected", "none_finished"}
