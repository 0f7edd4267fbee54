from __future__ import annotations

import pytest

from breakwall.breaker.circuit.fleet_limit import LoadReport
from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.hang_detector import HangDetector, RunningCall
from breakwall.breaker.load_meter import WAITS_FOR, WAITS_INTERVAL, LoadMeter


def begin(meter: LoadMeter, now: float, *, background: bool = True) -> RunningCall:
    call = RunningCall(now, background=background)
    meter.began(call, now)
    return call


def end(meter: LoadMeter, call: RunningCall, now: float, outcome: CallOutcome = CallOutcome.SUCCESS) -> None:
    call.done, call.duration = True, now - call.began_at
    meter.left(call, now)
    meter.ended(call, outcome)


def take(meter: LoadMeter, now: float) -> LoadReport:
    return meter.take(now, "a", (0, 0), HangDetector(), limited=True, capped=False)


def test_the_average_of_background_calls_is_that_since_the_last_report() -> None:
    meter = LoadMeter(0.0)
    call = begin(meter, 0.0)
    end(meter, call, 0.5)
    begin(meter, 0.75)
    assert take(meter, 1.0).background == pytest.approx(0.75)
    assert take(meter, 2.0).background == 1.0


def test_the_average_of_live_calls_forgets_within_seconds() -> None:
    meter = LoadMeter(0.0)
    calls = [begin(meter, 0.0, background=False) for _ in range(4)]
    assert take(meter, 5.0).live == pytest.approx(4.0, abs=0.1)
    for call in calls:
        end(meter, call, 5.0)
    assert take(meter, 10.0).live == pytest.approx(0.0, abs=0.1)


def test_what_has_ended_is_reported_once() -> None:
    meter = LoadMeter(0.0)
    for outcome in (CallOutcome.SUCCESS, CallOutcome.FAILURE, CallOutcome.NEUTRAL):
        end(meter, begin(meter, 0.0), 0.1, outcome)
    first, second = take(meter, 0.2), take(meter, 0.4)
    assert (first.answered, first.failed) == (1, 1)
    assert (second.answered, second.failed) == (0, 0)


def test_a_median_waits_for_five_answers() -> None:
    meter = LoadMeter(0.0)
    for _ in range(4):
        end(meter, begin(meter, 0.0), 0.1)
    assert take(meter, 0.2).median == 0.0
    end(meter, begin(meter, 0.2), 0.5)
    assert take(meter, 0.6).median == pytest.approx(0.1)


def test_starts_are_those_of_a_second_and_of_how_much_of_it() -> None:
    meter = LoadMeter(0.0)
    for number in range(40):
        begin(meter, 10.0 + number * 0.0025)
    report = take(meter, 10.1)
    assert (report.starts, report.started_for) == (40.0, pytest.approx(0.1))
    assert take(meter, 11.05).starts == pytest.approx(20, abs=2)
    assert take(meter, 12.0).starts == 0.0


def test_what_was_accepted_until_a_refusal_is_reported_also_after_a_pause() -> None:
    meter = LoadMeter(0.0)
    for number in range(40):
        begin(meter, 10.0 + number * 0.01)
    for _ in range(4):
        meter.throttled(1.0, 10.4, background=True)
    assert take(meter, 11.6).starts == 39.0
    assert take(meter, 11.8).starts == 0.0


def test_an_idle_process_has_nothing_to_report() -> None:
    meter = LoadMeter(0.0)
    assert not meter.needs_report(0.0, limited=True)
    call = begin(meter, 0.0)
    assert meter.needs_report(0.1, limited=True)
    assert not meter.needs_report(0.1, limited=False)
    end(meter, call, 0.1)
    take(meter, 0.2)
    assert not meter.needs_report(2.0, limited=True)


def test_a_refusal_for_the_rate_is_reported_without_a_limit() -> None:
    meter = LoadMeter(0.0)
    meter.throttled(2.0, 0.0, background=True)
    assert meter.needs_report(0.0, limited=False)
    report = take(meter, 0.2)
    assert (report.throttled, report.hold) == (1, pytest.approx(1.8))
    report = take(meter, 0.4)
    assert (report.throttled, report.hold) == (0, 0.0)


def test_a_process_that_waits_for_its_turn_says_so_until_it_asks_again() -> None:
    meter = LoadMeter(0.0)
    meter.refused_for_rate(10.0)
    assert WAITS_FOR > WAITS_INTERVAL + 0.5  # In between it is told once.
    for now in (10.2, 10.2 + WAITS_INTERVAL):
        assert meter.needs_report(now, limited=True)
        assert not meter.needs_report(now, limited=False)
        assert take(meter, now).waits
        assert not meter.needs_report(now + WAITS_INTERVAL - 0.1, limited=True)
    assert not meter.needs_report(10.0 + WAITS_FOR, limited=True)
    assert not take(meter, 10.0 + WAITS_FOR).waits


def test_a_process_that_has_just_had_a_turn_waits_for_the_next_one_without_asking() -> None:
    meter = LoadMeter(0.0)
    meter.has_no_turn(5.0)
    assert not meter.waits(5.0)  # It never wanted one.
    end(meter, begin(meter, 10.0), 10.1)
    for now in (10.9, 12.5, 14.0):
        meter.has_no_turn(now)
        assert meter.waits(now)
    assert not meter.waits(14.0 + WAITS_FOR)  # The turn came, and it did not take it.


def test_a_process_whose_background_call_was_refused_waits_for_its_turn() -> None:
    meter = LoadMeter(0.0)
    meter.throttled(1.0, 10.0, background=False)
    assert not meter.waits(10.0)
    meter.throttled(1.0, 10.0, background=True)
    assert meter.waits(11.0)
