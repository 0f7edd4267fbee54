"""What doctor says of the outcomes that wait, by what the live workers have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from breakwall.doctor.findings import Finding
from breakwall.doctor.outcomes import judge, nobody_delivers
from breakwall.payments.fleet.workers import Worker
from breakwall.payments.outcomes.holds import DestinationHold, HeldBy
from breakwall.payments.outcomes.operator import Waiting
from breakwall.payments.outcomes.schedule import TAKEN_WITHIN
from tests.unit.doctor.test_worker_brokers import worker

NOW = datetime(2026, 11, 29, 14, 5, tzinfo=UTC)
OLDER = worker(None)
WITH_LISTENER = replace(worker(None), ways=("listener",))
WITHOUT = replace(worker(None), ways=())

ONE = Waiting("listener", 1, late=False, gone=False, last_error="the listener raised ValueError")
UNTAKEN = replace(ONE, count=3, untaken=2)
RUNS_LONG = replace(WITH_LISTENER, up_seconds=TAKEN_WITHIN)


def judged(
    *fleet: Worker, waiting: Waiting = ONE, hold: DestinationHold | None = None, ours: str = ""
) -> list[Finding]:
    held = {} if hold is None else {waiting.destination: hold}
    return judge([waiting], held, fleet, ours.split())


def test_a_way_that_only_a_live_worker_has_is_no_problem() -> None:
    [finding] = judged(WITH_LISTENER)
    assert finding.ok
    assert "1 outcome waits for the listener" in finding.detail
    assert "worker celery@w1 has it" in finding.detail
    assert "forget" not in finding.advice


def test_a_way_that_nobody_has_is_a_problem_and_says_what_is_known() -> None:
    [finding] = judged(WITHOUT)
    assert not finding.ok
    assert "no live worker has it" in finding.detail
    for fleet in ([], [OLDER, WITHOUT]):
        [finding] = judged(*fleet)
        assert "it is not known whether a worker has it" in finding.detail


def test_an_open_circuit_is_a_problem_at_once_with_its_next_try_and_why() -> None:
    [finding] = judged(ours="listener", hold=DestinationHold("listener", HeldBy.CIRCUIT, NOW))
    assert not finding.ok
    assert "2026-11-29 14:05:00 UTC" in finding.detail
    assert "the newest failure: the listener raised ValueError; 1 outcome waits" in finding.detail


def test_an_endpoint_that_is_gone_is_a_problem_also_if_only_a_worker_has_it() -> None:
    [finding] = judged(WITH_LISTENER, hold=DestinationHold("listener", HeldBy.GONE))
    assert not finding.ok
    assert "410" in finding.detail


def test_what_a_live_worker_should_have_taken_is_a_problem_that_says_where_to_look() -> None:
    [finding] = judged(RUNS_LONG, waiting=UNTAKEN, ours="listener")
    assert not finding.ok
    assert "no worker has taken 2 outcomes for the listener for more than a minute" in finding.detail
    assert "although the worker celery@w1 has this way" in finding.detail
    assert "Read the workers' log" in finding.advice


def test_what_is_not_taken_is_a_problem_also_if_only_a_worker_has_the_way() -> None:
    [finding] = judged(RUNS_LONG, waiting=UNTAKEN)
    assert not finding.ok


def test_a_worker_that_has_just_started_has_a_minute_to_take_what_waits() -> None:
    [finding] = judged(replace(RUNS_LONG, up_seconds=TAKEN_WITHIN - 1), waiting=UNTAKEN, ours="listener")
    assert finding.ok
    assert finding.detail == "3 outcomes wait"


def test_what_is_not_taken_is_no_problem_of_a_worker_without_the_way() -> None:
    found = judged(replace(WITHOUT, up_seconds=TAKEN_WITHIN), waiting=UNTAKEN, ours="listener")
    assert [one.ok for one in found] == [True]


def test_no_try_of_a_circuit_is_announced_where_no_worker_takes_anything() -> None:
    hold = DestinationHold("listener", HeldBy.CIRCUIT)
    [finding] = judged(RUNS_LONG, waiting=UNTAKEN, ours="listener", hold=hold)
    assert "no worker has taken 2 outcomes" in finding.detail
    assert "one outcome is tried" not in finding.detail


def test_without_a_problem_it_counts_what_waits() -> None:
    assert [one.detail for one in judged(WITH_LISTENER, ours="listener")] == ["1 outcome waits"]


def test_a_way_that_is_configured_here_and_in_no_live_worker_is_a_problem() -> None:
    [finding] = nobody_delivers([WITHOUT], ["webhook"])
    assert not finding.ok
    assert "no live worker has it" in finding.detail
    assert nobody_delivers([WITH_LISTENER], ["listener"]) == []
    for fleet in ([], [OLDER, WITHOUT]):
        assert nobody_delivers(fleet, ["webhook"]) == []
