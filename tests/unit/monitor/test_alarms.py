"""When an operator is told that nobody is at work, and when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from breakwall.breaker import BreakerStatus, Override, OverrideMode
from breakwall.cli.backlog.text import backlog_fields, breaker_fields, one_line, verdict
from breakwall.monitor.alarms import JUST_STARTED, UNPROBED, Trouble, alarms
from breakwall.monitor.counts import STILL, Counts, Rejected
from breakwall.payments.fleet.workers import Worker
from tests.unit.monitor.backlog_looks import CLOSED, OPEN, PROBING, QUIET

NOW = datetime(2026, 11, 28, tzinfo=UTC)

CALM = Counts(
    at=NOW,
    queued=0,
    due=0,
    others={},
    abandoned=0,
    oldest_age=0.0,
    next_due=None,
    due_for=0.0,
    last_due=0.0,
    drained=0,
    span=0.0,
    still=False,
    incidents=0,
    rejected=Rejected(),
    fleet=[],
)
BUSY = Worker(
    id="w1",
    name="celery@web-1",
    host="web-1",
    pid=1,
    slots=20,
    version="1",
    reads=1,
    lacks=None,
    started_at=NOW,
    seen_at=NOW,
    idle_since=NOW,
    alive=True,
    up_seconds=86_400.0,
    silent_seconds=1.0,
    idle_seconds=2.0,
)
IDLE = replace(BUSY, idle_seconds=STILL)
FRESH = replace(IDLE, up_seconds=JUST_STARTED - 1)
SILENT = replace(BUSY, alive=False)

WAITING = replace(CALM, queued=11, due=11, due_for=STILL, still=True)
HALF_OPEN = replace(PROBING, open_until=PROBING.store_time - UNPROBED)
FORCED = {mode: Override(mode, "why", "ana", 900.0, None) for mode in OverrideMode}


def kinds(counts: Counts, breaker: BreakerStatus = CLOSED, *fleet: Worker) -> list[Trouble]:
    return [alarm.kind for alarm in alarms(replace(counts, fleet=list(fleet)), breaker)]


def test_no_worker_is_alive_and_that_is_told_once_an_order_waits() -> None:
    (alarm,) = alarms(replace(CALM, queued=1), CLOSED)
    assert alarm.message == "No worker is alive: what waits stays where it is."
    assert alarm.advice == "Start one: `breakwall worker`."


def test_a_site_where_nothing_waits_needs_no_worker() -> None:
    assert kinds(CALM) == []
    assert kinds(replace(CALM, others={"in_flight": 3})) == []


def test_an_order_whose_process_died_waits_for_a_worker_too() -> None:
    assert kinds(replace(CALM, others={"in_flight": 1}, abandoned=1)) == [Trouble.NO_WORKER]


def test_a_worker_that_went_silent_is_none() -> None:
    assert kinds(replace(CALM, queued=1), CLOSED, SILENT) == [Trouble.NO_WORKER]


def test_where_nobody_can_tell_no_worker_is_missed() -> None:
    assert alarms(replace(CALM, queued=1, fleet=None), CLOSED) == ()


def test_a_half_open_circuit_that_nobody_probes_is_told_without_a_worker_at_once() -> None:
    assert kinds(replace(CALM, queued=1), PROBING) == [Trouble.NO_WORKER, Trouble.NOBODY_PROBES]


def test_a_half_open_circuit_that_nobody_probes_is_told_of_workers_that_do_nothing() -> None:
    (alarm,) = alarms(replace(WAITING, due_for=UNPROBED, still=False, fleet=[IDLE]), HALF_OPEN)
    assert alarm.message == "The circuit is half-open and nobody probes."
    assert "`breakwall workers`" in alarm.advice


@pytest.mark.parametrize(
    ("counts", "breaker", "worker"),
    [
        (WAITING, HALF_OPEN, BUSY),
        (WAITING, replace(HALF_OPEN, open_until=HALF_OPEN.store_time - 1), IDLE),
        (replace(WAITING, due_for=1.0, still=False), HALF_OPEN, IDLE),
        (replace(WAITING, others={"in_flight": 1}, still=False), HALF_OPEN, IDLE),
        (replace(WAITING, still=False), replace(HALF_OPEN, slots=0), IDLE),
        (replace(WAITING, still=False), replace(HALF_OPEN, override=FORCED[OverrideMode.OBSERVING]), IDLE),
        (replace(WAITING, still=False), replace(HALF_OPEN, store_ok=False), IDLE),
        (replace(CALM, queued=0), HALF_OPEN, IDLE),
    ],
    ids=[
        "somebody works",
        "half-open just now",
        "due just now",
        "a call is in hand",
        "no place is free",
        "an override decides",
        "the store is lost",
        "nothing waits",
    ],
)
def test_no_missing_probe_is_told_where(counts: Counts, breaker: BreakerStatus, worker: Worker) -> None:
    assert Trouble.NOBODY_PROBES not in kinds(counts, breaker, worker)


def test_orders_wait_and_nothing_was_completed_for_five_minutes() -> None:
    (alarm,) = alarms(replace(WAITING, fleet=[IDLE]), CLOSED)
    assert alarm.message == "Orders wait and nothing has been completed for 5 min."
    assert "`breakwall workers`" in alarm.advice


def test_without_a_worker_its_absence_is_told_first_as_the_cause() -> None:
    assert kinds(WAITING) == [Trouble.NO_WORKER, Trouble.NOTHING_COMPLETED]


def test_a_worker_that_crashes_at_each_start_is_no_excuse() -> None:
    assert kinds(WAITING, CLOSED, FRESH, SILENT) == [Trouble.NOTHING_COMPLETED]


@pytest.mark.parametrize(
    ("counts", "breaker", "worker"),
    [
        (replace(WAITING, still=False), CLOSED, IDLE),
        (WAITING, CLOSED, BUSY),
        (WAITING, CLOSED, FRESH),
        (WAITING, OPEN, IDLE),
        (WAITING, replace(CLOSED, slots=0, override=FORCED[OverrideMode.FORCED_OPEN]), IDLE),
    ],
    ids=["something was", "somebody works", "the site was just started", "open circuit", "forced open"],
)
def test_no_standstill_is_told_where(counts: Counts, breaker: BreakerStatus, worker: Worker) -> None:
    assert kinds(counts, breaker, worker) == []


def test_a_circuit_that_is_forced_closed_lets_through_whatever_its_own_state() -> None:
    forced = replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED])
    assert kinds(WAITING, forced, IDLE) == [Trouble.NOTHING_COMPLETED]


def test_a_store_that_does_not_answer_is_told_and_the_circuit_is_not_called_closed() -> None:
    lost = replace(CLOSED, store_ok=False, store_error="ConnectionError")
    (alarm,) = alarms(replace(WAITING, fleet=[IDLE]), lost)
    assert (alarm.kind, alarm.message) == (
        Trouble.STORE_LOST,
        "The circuit's store does not answer: each process judges on its own.",
    )
    seen = replace(QUIET, breaker=lost, warnings=(alarm,))
    assert verdict(seen) == "No order waits. Whether the circuit is open is not known."
    assert backlog_fields(seen)["circuit"] == "not known: its store does not answer"
    assert "breaker unknown" in one_line(seen)
    assert breaker_fields(lost)["state"] == "[green]closed[/], for a process on its own"
