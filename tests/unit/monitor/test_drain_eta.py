"""What the time to drain rests on. The times themselves: tests/unit/monitor/test_backlog.py."""

from dataclasses import replace

from breakwall.monitor.counts import Rejected
from breakwall.monitor.drain_eta import drain_assumption
from tests.unit.monitor.snapshots import CALM

WAITING = replace(CALM, queued=4)


def test_a_known_time_names_its_speeds_and_its_condition() -> None:
    sentence = drain_assumption(WAITING, 12.0, stopped=False)
    assert "the last minute" in sentence
    assert "if no order is added" in sentence


def test_an_unknown_time_says_why() -> None:
    assert drain_assumption(WAITING, None, stopped=True) == "Unknown: nothing moves."
    rejected = replace(WAITING, rejected=Rejected(4, "why"))
    assert "rejects each order" in drain_assumption(rejected, None, stopped=False)
    assert "no order was finished" in drain_assumption(WAITING, None, stopped=False)
