"""Durations and points in time as they are typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import typer

from breakwall.terminal.times import parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (" 7d ", 604_800), ("999999999d", 3_155_760_000)],
)
def test_a_duration_is_a_number_with_its_unit_and_at_most_a_century(text: str, seconds: float) -> None:
    assert parse_duration(text, "--for") == seconds


@pytest.mark.parametrize("text", ["", "m", "-1h", "1e3", "inf", "1w", "1h30m"])
def test_any_other_duration_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="90s, 15m, 2h, 7d") as refused:
        parse_duration(text, "--for")
    assert refused.value.param_hint == "--for"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-27", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2026-11-27T09:00", datetime(2026, 11, 27, 9, tzinfo=UTC)),
        ("2026-11-27T09:00+09:00", datetime(2026, 11, 27, tzinfo=UTC)),
    ],
)
def test_a_point_in_time_is_in_utc_where_it_has_no_offset(text: str, moment: datetime) -> None:
    assert parse_moment(text, "--since") == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00+09:00"])
def test_any_other_point_in_time_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="2026-11-27") as refused:
        parse_moment(text, "--since")
    assert refused.value.param_hint == "--since"
