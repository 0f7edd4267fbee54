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


def test_no_worker_is_alive_and_that_is_reported_once_an_order_waits() -> None:
    (alarm,) = alarms(replace(CALM, queued=1), CLOSED)
    assert alarm.message == "No worker is alive: waiting orders are not charged."
    assert alarm.advice == "Start one: `breakwall worker`."


def test_a_site_where_nothing_waits_needs_no_worker() -> None:
    assert kinds(CALM) == []
    assert kinds(replace(CALM, in_flight=3)) == []


def test_an_order_whose_process_died_waits_for_a_worker_too() -> None:
    assert kinds(replace(CALM, in_flight=1, abandoned=1)) == [AlarmKind.NO_WORKER]


def test_a_worker_that_went_silent_is_none() -> None:
    assert kinds(replace(CALM, queued=1), CLOSED, SILENT) == [AlarmKind.NO_WORKER]


def test_where_nobody_can_tell_no_worker_is_missed() -> None:
    assert list(alarms(replace(CALM, queued=1, fleet=None), CLOSED)) == []


def test_a_half_open_circuit_that_nobody_probes_is_reported_without_a_worker_at_once() -> None:
    assert kinds(replace(CALM, queued=1), PROBING) == [AlarmKind.NO_WORKER, AlarmKind.NOBODY_PROBES]


def test_a_half_open_circuit_that_nobody_probes_is_reported_of_workers_that_do_nothing() -> None:
    (alarm,) = alarms(
        replace(WAITING, oldest_due_age_seconds=UNPROBED, stalled=False, fleet=[IDLE]), HALF_OPEN
    )
    assert alarm.message == "The circuit is half-open, but no process probes."
    assert "`breakwall workers`" in alarm.advice


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
        "a call is in hand",
        "no place is free",
        "an override decides",
        "the store is lost",
        "nothing waits",
    ],
)
def test_no_missing_probe_is_reported_where(counts: Counts, breaker: BreakerStatus, worker: Worker) -> None:
    assert AlarmKind.NOBODY_PROBES not in kinds(counts, breaker, worker)


def test_orders_wait_and_nothing_was_completed_for_five_minutes() -> None:
    (alarm,) = alarms(replace(WAITING, fleet=[IDLE]), CLOSED)
    assert alarm.message == "Orders wait, but none of them was finished for 5 min."
    assert "`breakwall workers`" in alarm.advice


def test_without_a_worker_its_absence_is_reported_first_as_the_cause() -> None:
    assert kinds(WAITING) == [AlarmKind.NO_WORKER, AlarmKind.NOTHING_COMPLETED]


def test_a_worker_that_crashes_at_each_start_is_no_excuse() -> None:
    assert kinds(WAITING, CLOSED, FRESH, SILENT) == [AlarmKind.NOTHING_COMPLETED]


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


def test_a_circuit_that_is_forced_closed_lets_through_whatever_its_own_state() -> None:
    forced = replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED])
    assert kinds(WAITING, forced, IDLE) == [AlarmKind.NOTHING_COMPLETED]


def test_a_store_that_does_not_answer_is_reported() -> None:
    lost = replace(CLOSED, store_ok=False, store_error="ConnectionError")
    (alarm,) = alarms(replace(WAITING, fleet=[IDLE]), lost)
    assert (alarm.kind, alarm.message) == (
        AlarmKind.STORE_LOST,
        "The circuit's store does not answer: each process uses a local circuit.",
    )


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
