"""What a snapshot of the backlog computes from its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import BreakerStatus, OverrideMode
from breakwall.monitor.backlog import drain_eta, refuses_all
from tests.unit.monitor.backlog_looks import CLOSED, FORCED, OPEN, PROBING


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


@pytest.mark.parametrize(
    ("queued", "drained", "span", "last_due", "stopped", "eta"),
    [
        (0, 0, 0.0, 0.0, True, 0.0),
        (20, 10, 5.0, 0.0, False, 10.0),
        (20, 10, 0.001, 0.0, False, 2.0),  # a burst of a moment is not a speed
        (20, 10, 5.0, 600.0, False, 600.0),
        (20, 10, 5.0, 0.0, True, None),
        (20, 0, 0.0, 0.0, False, None),
    ],
)
def test_the_time_to_drain(
    queued: int, drained: int, span: float, last_due: float, stopped: bool, eta: float | None
) -> None:
    assert drain_eta(queued, drained=drained, span=span, last_due=last_due, stopped=stopped) == eta
