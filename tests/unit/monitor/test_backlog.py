"""When a backlog will be gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.monitor.backlog import drain_eta, drain_eta_range
from breakwall.monitor.counts import Rejected
from tests.unit.monitor.snapshots import CALM


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
    counts = replace(CALM, queued=queued, drained_last_minute=drained, span=span, last_due=last_due)
    assert drain_eta(counts, stopped=stopped) == eta


@pytest.mark.parametrize(("rejected", "eta"), [(20, None), (19, 10.0)])
def test_the_time_to_drain_is_unknown_while_the_payment_service_rejects_each(
    rejected: int, eta: float | None
) -> None:
    """What was drained in the last minute ended before the settings were wrong, or was no success."""
    counts = replace(CALM, queued=20, drained_last_minute=10, span=5.0, rejected=Rejected(rejected, "no"))
    assert drain_eta(counts, stopped=False) == eta


@pytest.mark.parametrize(
    ("eta", "speed", "last_due", "expected"),
    [
        (None, 2.0, 0.0, None),
        (0.0, 0.0, 0.0, (0.0, 0.0)),
        (10.0, 0.0, 0.0, (10.0, 10.0)),
        (10.0, 4.0, 0.0, (5.0, 10.0)),
        (10.0, 1.0, 0.0, (10.0, 20.0)),
        (10.0, 4.0, 8.0, (8.0, 10.0)),
    ],
)
def test_the_range_is_between_the_last_minute_and_the_mean(
    eta: float | None, speed: float, last_due: float, expected: tuple[float, float] | None
) -> None:
    assert drain_eta_range(replace(CALM, queued=20, last_due=last_due), eta, speed) == expected
