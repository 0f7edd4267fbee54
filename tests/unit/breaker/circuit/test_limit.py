"""The limit, a round at a time. `tests/unit/breaker/test_fleet_limit.py` runs it with services that collapse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker.circuit.fleet_limit import ALARM, QUIET_SECONDS, SUSPICION, FleetLimit, LoadReport
from breakwall.breaker.circuit.limit import (
    NEAR,
    NEAR_LIVE,
    ON_FAILURES,
    ON_LATENCY,
    ON_OVERDUE,
    PROCESS_EXPIRES,
    SLOW_START_GROWTH,
    START,
    add_report,
    after_closing,
    in_force,
)

INTERVAL = 0.2


def busy(fleet: FleetLimit, **fields: object) -> LoadReport:
    """A report of one process that uses the limit, and whose calls are answered as ever."""
    usual = LoadReport(
        "a", fleet.generation, fleet.epoch, in_hand=10, background=10.0, wants=True, answered=100, median=0.02
    )
    return replace(usual, **fields)  # type: ignore[arg-type]  # fields of a report


class Rounds:
    """A limit after an opening, and reports that come every interval."""

    def __init__(self, **fields: object) -> None:
        self.now = 1000.0
        first = after_closing(None, generation=3, now=self.now)
        self.fleet: FleetLimit | None = replace(first, **fields)  # type: ignore[arg-type]

    @property
    def known(self) -> FleetLimit:
        assert self.fleet is not None
        return self.fleet

    def report(self, number: int = 1, **fields: object) -> FleetLimit | None:
        for _ in range(number):
            self.now += INTERVAL
            self.fleet = add_report(self.known, busy(self.known, **fields), self.now, interval=INTERVAL)
        return self.fleet


def test_after_an_opening_it_begins_small_and_grows() -> None:
    rounds = Rounds()
    assert rounds.known.size == START
    rounds.report(2)
    assert rounds.known.size == START * SLOW_START_GROWTH
    rounds.report(40)
    assert (rounds.known.size or 0) > 50


def test_it_does_not_grow_unused() -> None:
    rounds = Rounds(size=40.0)
    rounds.report(10, background=3.0, wants=False)
    assert rounds.known.size == 40.0


def test_it_does_not_grow_while_fewer_calls_are_answered() -> None:
    rounds = Rounds()
    rounds.report(4)
    size = rounds.known.size
    rounds.report(2, answered=5)
    assert rounds.known.size == size


def test_overdue_calls_halve_it_at_once_and_are_its_ceiling() -> None:
    rounds = Rounds(size=16.0, proven=True)
    rounds.report(1, weight=ALARM, run=ALARM)
    assert (rounds.known.size, rounds.known.ceiling) == (16 * ON_OVERDUE, 16.0)


def test_the_weight_of_several_processes_adds_up() -> None:
    rounds = Rounds(size=16.0)
    rounds.report(1, weight=ALARM / 2, run=ALARM / 2)
    assert (rounds.known.size or 0) >= 16.0
    rounds.report(1, id="b", weight=ALARM / 2 + 0.1, run=ALARM / 2)
    assert rounds.known.size == 16 * ON_OVERDUE


def test_failures_and_slow_answers_make_it_smaller() -> None:
    failing = Rounds(size=100.0, ceiling=1000.0)
    failing.report(1, failed=10)
    assert failing.known.size == pytest.approx(100 * ON_FAILURES)
    slow = Rounds(size=100.0, ceiling=1000.0, base=0.02)
    slow.report(1, median=0.04)
    assert slow.known.size == pytest.approx(100 * ON_LATENCY)


def test_a_service_that_became_slower_for_good_is_accepted_after_a_step_that_did_not_help() -> None:
    rounds = Rounds(size=20.0, ceiling=1000.0, base=0.02)
    rounds.report(40, median=0.04)
    assert rounds.known.base == pytest.approx(0.04)
    assert (rounds.known.size or 0) > 20


def test_as_long_as_each_step_helps_or_the_limit_was_not_the_bound_it_goes_on_down() -> None:
    queueing = Rounds(size=100.0, ceiling=1000.0, base=0.02)
    for _ in range(30):
        queueing.report(1, median=max(0.02, 0.02 * (queueing.known.size or 0) / 12))
    assert queueing.known.base == pytest.approx(0.02, rel=0.05)
    assert (queueing.known.size or 0) < 20
    unbound = Rounds(size=200.0, ceiling=1000.0, base=0.02)
    unbound.report(20, median=0.04, wants=False)
    assert unbound.known.base == pytest.approx(0.02, rel=0.05)


def test_it_does_not_grow_for_a_background_that_a_rate_holds_back() -> None:
    rounds = Rounds(size=40.0, rate=100.0)
    rounds.report(10, background=3.0)
    assert rounds.known.size == 40.0


def test_live_calls_that_were_refused_make_it_grow_though_little_of_it_is_used_on_average() -> None:
    rounds = Rounds()
    rounds.report(10, background=0.0, live=0.4, wants=False, refuses=True)
    assert (rounds.known.size or 0) > START


def test_one_failure_or_two_per_cent_do_not() -> None:
    rounds = Rounds(size=100.0, ceiling=1000.0)
    rounds.report(1, failed=1)
    rounds.report(1, failed=2, answered=98)
    assert (rounds.known.size or 0) >= 100.0


def test_failures_that_do_not_come_from_the_load_are_tolerated() -> None:
    rounds = Rounds(size=100.0, ceiling=1000.0)
    rounds.report(100, failed=10)
    assert (rounds.known.size or 0) >= 100 * ON_FAILURES


def test_then_the_ceiling_that_was_learned_from_them_is_forgotten_so_that_the_limit_soon_goes() -> None:
    rounds = Rounds(size=4.0, ceiling=None)
    rounds.report(30, failed=10)
    assert rounds.known.ceiling is None
    assert (rounds.known.size or 0) > 4 * 4.0


def test_after_a_step_down_it_rests_and_then_comes_back_below_the_ceiling() -> None:
    rounds = Rounds(size=16.0)
    rounds.report(1, run=ALARM)
    rounds.report(1)
    assert rounds.known.size == 8.0
    rounds.report(15)
    assert NEAR * 16 <= (rounds.known.size or 0) <= (NEAR + 0.05) * 16


def test_beside_live_calls_it_stays_farther_below_the_ceiling() -> None:
    rounds = Rounds(size=16.0)
    rounds.report(1, run=ALARM)
    rounds.report(16, live=0.5)
    assert NEAR_LIVE * 16 <= (rounds.known.size or 0) <= (NEAR_LIVE + 0.05) * 16


def test_before_there_is_a_base_the_first_answers_say_how_long_a_round_is() -> None:
    rounds = Rounds()
    rounds.report(5, answered=3, median=0.3)
    assert rounds.known.size == START
    rounds.report(5, answered=3, median=0.3)
    assert rounds.known.size == START * SLOW_START_GROWTH


def test_a_capacity_that_has_grown_is_found() -> None:
    rounds = Rounds(size=16.0)
    rounds.report(1, run=ALARM)
    rounds.report(5 * 300)
    assert rounds.known.ceiling is None
    assert (rounds.known.size or 0) > 30


def test_a_step_down_begins_an_epoch_and_older_calls_do_not_count() -> None:
    rounds = Rounds(size=16.0, ceiling=16.0)
    rounds.report(1)
    rounds.report(1, run=ALARM)
    assert rounds.known.epoch == 1
    rounds.report(5, epoch=0, failed=50, run=ALARM)
    assert rounds.known.epoch == 1
    assert (rounds.known.size or 0) >= 8.0


def test_without_an_answered_call_there_is_no_new_epoch_so_that_failures_open_the_circuit() -> None:
    rounds = Rounds(size=16.0)
    rounds.report(1, answered=0, run=ALARM)
    assert (rounds.known.epoch, rounds.known.size) == (0, 8.0)


def test_it_never_falls_below_one() -> None:
    rounds = Rounds()
    for _ in range(10):
        rounds.report(1)
        rounds.report(1, run=ALARM)
    assert rounds.known.places == 1


def test_it_goes_when_it_was_not_used_for_a_while() -> None:
    rounds = Rounds(size=40.0)
    rounds.report(int(QUIET_SECONDS / INTERVAL) - 2, background=3.0, wants=False)
    assert rounds.fleet is not None
    while rounds.fleet is not None and rounds.now < 1000.0 + 2 * QUIET_SECONDS:
        rounds.report(1, background=3.0, wants=False)
    assert rounds.fleet is None


def test_a_suspicion_is_reported_and_forgotten_or_becomes_the_first_limit() -> None:
    harmless = Rounds(size=None)
    assert harmless.report(1, run=SUSPICION, weight=0.0) is not None
    assert harmless.report(1, run=0.0, weight=-SUSPICION) is None
    serious = Rounds(size=None)
    serious.report(1, run=SUSPICION)
    serious.report(1, id="b", run=ALARM, weight=ALARM)
    assert (serious.known.size, serious.known.ceiling) == (10.0, 20.0)


def unlimited(**fields: object) -> Rounds:
    """Processes that report their first overdue calls, one after the other; there is no limit yet."""
    rounds = Rounds(size=None)
    rounds.report(1, run=ALARM, weight=0.0, **fields)
    return rounds


def test_the_first_sign_of_several_processes_is_one_sign_with_all_that_they_had_in_hand() -> None:
    rounds = unlimited(in_hand=6)
    rounds.report(1, id="b", epoch=0, in_hand=7, run=ALARM, weight=0.0)
    assert (rounds.known.size, rounds.known.ceiling) == (6.5, 13.0)
    rounds.report(1, id="b", epoch=0, in_hand=7, run=ALARM, weight=0.0)
    assert (rounds.known.size, rounds.known.ceiling) == (6.5, 13.0)


def test_after_the_rest_an_overdue_call_is_a_sign_of_its_own() -> None:
    rounds = unlimited(in_hand=12)
    rounds.report(3)
    size = rounds.known.size or 0.0
    rounds.report(1, id="b", in_hand=7, run=ALARM)
    assert rounds.known.size == pytest.approx(size * ON_OVERDUE, abs=0.001)


def test_the_first_sign_begins_an_epoch_if_the_background_was_part_of_it() -> None:
    """What its calls answer after their timeout says nothing of the service as the limit now loads it."""
    assert unlimited().known.epoch == 1
    live_alone: dict[str, object] = {"background": 0.0, "wants": False, "live": 10.0}
    rounds = unlimited(**live_alone)
    assert rounds.known.epoch == 0
    rounds.report(1, id="b", epoch=0)
    assert rounds.known.epoch == 1


def test_without_an_answer_the_first_sign_begins_no_epoch() -> None:
    """The service may be down: then the failures of its calls must be able to open the circuit."""
    assert unlimited(answered=0).known.epoch == 0


def test_a_process_that_died_gives_its_share_back() -> None:
    rounds = Rounds(size=10.0)
    rounds.report(1, id="dead")
    rounds.report(int(PROCESS_EXPIRES / INTERVAL) + 2)
    assert [process.id for process in rounds.known.processes] == ["a"]


def test_a_limit_of_another_generation_begins_again_and_keeps_the_ceiling() -> None:
    earlier = FleetLimit(generation=3, size=40.0, ceiling=50.0, epoch=7)
    begun = in_force(earlier, 6, 1000.0)
    assert begun is not None
    assert (begun.size, begun.ceiling, begun.epoch, begun.generation) == (START, 50.0, 0, 6)
    assert in_force(earlier, 3, 1000.0) is earlier
    assert in_force(None, 6, 1000.0) is None


def test_a_round_of_a_slow_service_does_not_expire() -> None:
    rounds = Rounds(base=3.0)
    now = rounds.now
    assert not rounds.known.has_expired(now + QUIET_SECONDS + 10.0)
    assert rounds.known.has_expired(now + QUIET_SECONDS + 13.0)


def test_live_calls_that_need_more_than_the_limit_get_it_soon() -> None:
    rounds = Rounds(size=4.0, ceiling=4.0)
    rounds.report(5 * 10, background=0.0, live=6.0, wants=False, refuses=True)
    assert (rounds.known.size or 0) >= 6.0


def test_a_429_while_the_first_sign_gathers_counts_too() -> None:
    rounds = unlimited()
    rounds.report(1, run=ALARM)
    rounds.report(1, id="b", throttled=1, hold=1.0, background_refused=True, starts=100.0)
    assert rounds.known.rate is not None
