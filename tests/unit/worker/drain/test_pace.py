"""How far ahead orders are begun, and how long results gather. No threads, no clock."""

from __future__ import annotations

import pytest

from breakwall.worker.drain.pace import LONGEST_GATHERING, Pace

SLOTS = 16


def pace(call: float, exchange: float = 0.0) -> Pace:
    """After so many calls and exchanges of these seconds that both are usual."""
    made = Pace()
    for _ in range(100):
        made.called(call)
        made.exchanged(exchange)
    return made


def test_nothing_is_begun_ahead_before_a_call_has_ended() -> None:
    assert Pace().ahead(SLOTS) == 0


@pytest.mark.parametrize(
    ("call", "ahead"),
    [
        pytest.param(0.001, 16, id="never more than one for each slot"),
        pytest.param(0.05, 16, id="one for each slot"),
        pytest.param(0.1, 8, id="what the slots need in 50 ms"),
        pytest.param(1.0, 0, id="none while the service is slow"),
    ],
)
def test_so_many_are_begun_ahead_as_the_slots_need_soon(call: float, ahead: int) -> None:
    assert pace(call).ahead(SLOTS) == ahead


def test_one_slow_call_among_quick_ones_changes_little() -> None:
    usual = pace(0.02)
    usual.called(0.5)
    assert usual.ahead(SLOTS) == SLOTS


def test_results_gather_only_while_each_slot_has_work_until_the_exchange_is_over() -> None:
    usual = pace(0.02, exchange=0.004)
    assert usual.gathering(0, SLOTS) == 0.0
    assert usual.gathering(4, SLOTS) == 0.0, "4 orders last 5 ms, which an exchange may need"
    assert usual.gathering(8, SLOTS) == pytest.approx(0.004, abs=1e-5)


def test_results_gather_for_a_short_time_however_much_is_begun() -> None:
    assert pace(0.05, exchange=0.001).gathering(16, SLOTS) == LONGEST_GATHERING


def test_nothing_gathers_before_a_call_has_ended() -> None:
    assert Pace().gathering(3, SLOTS) == 0.0


def test_after_calls_took_longer_than_was_known_the_next_one_says_how_long() -> None:
    usual = pace(0.02)
    usual.forget()
    assert usual.ahead(SLOTS) == 0
    usual.called(0.1)
    assert usual.ahead(SLOTS) == 8
