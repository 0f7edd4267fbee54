from __future__ import annotations

from breakwall.breaker.background_ramp import FIRST_WINDOW, BackgroundRamp


def answered(ramp: BackgroundRamp, began_at: float, calls: int) -> None:
    for _ in range(calls):
        ramp.answered(began_at)


def test_a_step_needs_a_window_of_answers_to_calls_that_began_after_the_last_one() -> None:
    ramp = BackgroundRamp()
    ramp.began(2, now=1.0)
    answered(ramp, 1.0, 1)
    ramp.step(2, now=1.1, is_well=True)
    assert ramp.window == FIRST_WINDOW
    answered(ramp, 1.0, 1)
    ramp.step(2, now=1.1, is_well=True)
    assert ramp.window == 3
    ramp.began(3, now=1.2)
    answered(ramp, 1.0, 3)
    ramp.step(3, now=1.3, is_well=True)
    assert ramp.window == 3


def test_while_overdue_calls_are_unexplained_there_is_no_step() -> None:
    ramp = BackgroundRamp()
    ramp.began(2, now=1.0)
    answered(ramp, 1.0, 10)
    ramp.step(2, now=1.1, is_well=False)
    assert ramp.window == FIRST_WINDOW


def test_when_the_fleets_limit_ends_the_window_is_what_is_in_hand() -> None:
    ramp = BackgroundRamp()
    ramp.follow(12, now=1.0)
    assert ramp.window == 12
    ramp.follow(0, now=2.0)
    assert ramp.window == FIRST_WINDOW
