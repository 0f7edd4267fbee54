"""When an operator is warned, and when not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import BreakerStatus, OverrideMode
from breakwall.monitor.alarms import STARTUP, UNPROBED, AlarmKind, alarms, refuses_all
from breakwall.monitor.counts import STALLED_AFTER, Counts
from breakwall.payments.fleet.workers import Worker
from tests.unit.monitor.snapshots import BUSY, CALM, CLOSED, FORCED, OPEN, PROBING

IDLE = replace(BUSY, idle_seconds=STALLED_AFTER)
FRESH = replace(IDLE, up_seconds=STARTUP - 1)
SILENT = replace(BUSY, alive=False)

WAITING = replace(CALM, queued=11, due=11, oldest_due_age_seconds=STALLED_AFTER, stalled=True)
HALF_OPEN = replace(PROBING, open_until=PROBING.store_time - UNPROBED)


def kinds(counts: Counts, breaker: BreakerStatus = CLOSED, *fleet: Worker) -> list[AlarmKind]:
    return [alarm.kind for alarm in alarms(replace(counts, fleet=list(fleet)), breaker)]


FORCED_CLOSED = replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED])
ABANDONED = replace(CALM, in_flight=1, abandoned=1)
ONE_WAITS = replace(CALM, queued=1)


def test_workers_that_fell_silent_are_named() -> None:
    (alarm,) = alarms(replace(ONE_WAITS, fleet=[SILENT]), CLOSED)
    assert alarm.advice == (
        "Start one: `breakwall worker`. 1 fell silent: dead, or without a way to the database; see `breakwall workers`."
    )


@pytest.mark.parametrize(
    ("counts", "breaker", "fleet", "expected"),
    [
        (CALM, CLOSED, [], []),
        (replace(CALM, in_flight=3), CLOSED, [], []),
        (ABANDONED, CLOSED, [], [AlarmKind.NO_WORKER]),
        (ONE_WAITS, CLOSED, [SILENT], [AlarmKind.NO_WORKER]),
        (ONE_WAITS, PROBING, [], [AlarmKind.NO_WORKER, AlarmKind.NOBODY_PROBES]),
        (WAITING, CLOSED, [], [AlarmKind.NO_WORKER, AlarmKind.NOTHING_COMPLETED]),
        (WAITING, CLOSED, [FRESH, SILENT], [AlarmKind.NOTHING_COMPLETED]),
        (WAITING, FORCED_CLOSED, [IDLE], [AlarmKind.NOTHING_COMPLETED]),
    ],
    ids=[
        "nothing waits",
        "orders are being charged",
        "a process left an order",
        "all workers are silent",
        "half-open without a worker",
        "the cause before its consequence",
        "a worker dies at each start",
        "forced closed although its own state is open",
    ],
)
def test_each_situation_has_its_alarms(
    counts: Counts, breaker: BreakerStatus, fleet: list[Worker], expected: list[AlarmKind]
) -> None:
    assert [alarm.kind for alarm in alarms(replace(counts, fleet=fleet), breaker)] == expected


LOST = replace(CLOSED, store_ok=False, store_error="ConnectionError")
UNPROBED_LONG = replace(WAITING, oldest_due_age_seconds=UNPROBED, stalled=False)


@pytest.mark.parametrize(
    ("counts", "breaker", "fleet", "message", "advice"),
    [
        (ONE_WAITS, CLOSED, [], "No worker is alive: waiting orders are not charged.", "`breakwall worker`"),
        (
            UNPROBED_LONG,
            HALF_OPEN,
            [IDLE],
            "The circuit is half-open, but no process probes.",
            "`breakwall workers`",
        ),
        (
            WAITING,
            CLOSED,
            [IDLE],
            "Orders wait, but none of them was finished for 5 min.",
            "`breakwall workers`",
        ),
        (
            WAITING,
            LOST,
            [IDLE],
            "The circuit's store does not answer: each process uses a local circuit.",
            "`breakwall doctor`",
        ),
    ],
)
def test_an_alarm_says_what_is_wrong_and_what_to_run(
    counts: Counts, breaker: BreakerStatus, fleet: list[Worker], message: str, advice: str
) -> None:
    (alarm,) = alarms(replace(counts, fleet=fleet), breaker)
    assert alarm.message == message
    assert advice in alarm.advice


@pytest.mark.parametrize(
    ("counts", "breaker", "worker"),
    [
        (WAITING, HALF_OPEN, BUSY),
        (WAITING, replace(HALF_OPEN, open_until=HALF_OPEN.store_time - 1), IDLE),
        (replace(WAITING, oldest_due_age_seconds=1.0, stalled=False), HALF_OPEN, IDLE),
        (replace(WAITING, in_flight=1, stalled=False), HALF_OPEN, IDLE),
        (replace(WAITING, stalled=False), replace(HALF_OPEN, slots=0), IDLE),
        (replace(WAITING, stalled=False), replace(HALF_OPEN, override=FORCED[OverrideMode.OBSERVING]), IDLE),
        (replace(WAITING, stalled=False), replace(HALF_OPEN, store_ok=False), IDLE),
        (replace(CALM, queued=0), HALF_OPEN, IDLE),
    ],
    ids=[
        "a worker works",
        "half-open just now",
        "due just now",
        "a call is in progress",
        "no slot is free",
        "an override decides",
        "the store is lost",
        "nothing waits",
    ],
)
def test_no_missing_probe_is_reported_where(counts: Counts, breaker: BreakerStatus, worker: Worker) -> None:
    assert AlarmKind.NOBODY_PROBES not in kinds(counts, breaker, worker)


@pytest.mark.parametrize(
    ("counts", "breaker", "worker"),
    [
        (replace(WAITING, stalled=False), CLOSED, IDLE),
        (WAITING, CLOSED, BUSY),
        (WAITING, CLOSED, FRESH),
        (WAITING, OPEN, IDLE),
        (WAITING, replace(CLOSED, slots=0, override=FORCED[OverrideMode.FORCED_OPEN]), IDLE),
    ],
    ids=["something was", "a worker works", "the site was just started", "open circuit", "forced open"],
)
def test_no_standstill_is_reported_where(counts: Counts, breaker: BreakerStatus, worker: Worker) -> None:
    assert kinds(counts, breaker, worker) == []


@pytest.mark.parametrize(
    ("computed", "mode", "refuses"),
    [
        (CLOSED, None, False),
        (OPEN, None, True),
        (PROBING, None, False),
        (CLOSED, OverrideMode.FORCED_OPEN, True),
        (OPEN, OverrideMode.FORCED_CLOSED, False),
        (OPEN, OverrideMode.OBSERVING, False),
    ],
)
def test_an_override_decides_before_the_computed_state_whether_all_is_refused(
    computed: BreakerStatus, mode: OverrideMode | None, refuses: bool
) -> None:
    assert refuses_all(replace(computed, override=FORCED[mode] if mode else None)) is refuses


def test_a_pause_raises_no_alarm_about_what_it_holds() -> None:
    seen = replace(WAITING, fleet=[IDLE])
    assert [alarm.kind for alarm in alarms(seen, CLOSED)] == [AlarmKind.NOTHING_COMPLETED]
    assert list(alarms(seen, CLOSED, paused=True)) == []
    without_worker = alarms(replace(seen, fleet=[SILENT]), HALF_OPEN, paused=True)
    assert [alarm.kind for alarm in without_worker] == [AlarmKind.NO_WORKER]
