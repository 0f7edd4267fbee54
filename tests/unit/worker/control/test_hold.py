"""What holds an order back: a pause, and its turn under the rate."""

from __future__ import annotations

import pytest

from breakwall.worker.control.hold import PAUSED_DEFERRAL, Hold


@pytest.mark.parametrize(
    ("paused", "wait", "held"),
    [(False, 0.0, 0.0), (False, 7.0, 7.0), (True, 0.0, PAUSED_DEFERRAL), (True, 7.0, PAUSED_DEFERRAL)],
)
def test_a_pause_comes_before_the_rate(paused: bool, wait: float, held: float) -> None:
    assert Hold(lambda: paused, lambda: wait)() == held


def test_an_order_does_not_wait_for_its_turn_while_the_drain_is_paused() -> None:
    def wait_for_turn() -> float:
        pytest.fail("it waits")

    assert Hold(lambda: True, wait_for_turn)() == PAUSED_DEFERRAL


def test_a_pause_that_came_while_an_order_waited_for_its_turn_holds_it_back() -> None:
    paused: list[bool] = []

    def wait_for_turn() -> float:
        paused.append(True)
        return 0.0

    assert Hold(lambda: bool(paused), wait_for_turn)() == PAUSED_DEFERRAL
