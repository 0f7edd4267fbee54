"""Durations as people write them."""

from __future__ import annotations

import pytest

from breakwall.durations import seconds_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), ("7d", 604_800.0), (" 10m ", 600.0)],
)
def test_a_duration_is_a_number_with_a_unit_or_without_one(text: str, seconds: float) -> None:
    assert seconds_in(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "-5s", "1e3", "10 m", "10M", "10ms", "nan", "1_0", "٣s", "1.s", "1" * 10]
)
def test_anything_else_is_none(text: str) -> None:
    assert seconds_in(text) is None
