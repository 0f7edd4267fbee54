"""What holds orders back: a pause."""

from __future__ import annotations

import pytest

from breakwall.worker.control.hold import PAUSED_DEFERRAL, Hold


@pytest.mark.parametrize(("paused", "held"), [(False, 0.0), (True, PAUSED_DEFERRAL)])
def test_a_pause_defers_orders_for_a_moment(paused: bool, held: float) -> None:
    assert Hold(lambda: paused)() == held
