"""What holds orders back: a pause, and their turns under the rate."""

from __future__ import annotations

import pytest

from breakwall.worker.control.hold import PAUSED_DEFERRAL, Hold


@pytest.mark.parametrize(("paused", "held"), [(False, 0.0), (True, PAUSED_DEFERRAL)])
def test_a_pause_defers_orders_for_a_moment(paused: bool, held: float) -> None:
    assert Hold(lambda: paused)() == held


def test_without_a_rate_each_order_has_its_turn() -> None:
    assert Hold(lambda: False).turns(1000) == 1000


def test_a_rate_gives_the_turns() -> None:
    assert Hold(lambda: False, lambda most: most // 2).turns(10) == 5
