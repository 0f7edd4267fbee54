"""How durations, counts and moments read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from breakwall.terminal.words import count, duration, moment, state


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0.0 s"),
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (95.0, "95 s"),
        (725.0, "12 min"),
        (3 * 3600.0, "3 h"),
        (3 * 3600.0 + 5 * 60, "3 h 5 min"),
        (4 * 86_400.0 + 2 * 3600, "4 d 2 h"),
        (7 * 86_400.0, "7 d"),
    ],
)
def test_a_duration_is_told_in_the_units_that_matter(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_one_is_singular_and_thousands_are_grouped() -> None:
    assert (count(1, "order"), count(0, "order"), count(1284, "order")) == (
        "1 order",
        "0 orders",
        "1,284 orders",
    )


def test_an_irregular_plural_is_given() -> None:
    assert count(2, "success", "successes") == "2 successes"


def test_a_moment_is_told_in_utc_wherever_it_comes_from() -> None:
    at = datetime(2026, 11, 23, 19, 0, tzinfo=timezone(timedelta(hours=9)))
    assert moment(at) == moment(at.astimezone(UTC)) == "2026-11-23 10:00:00 UTC"


def test_no_moment_is_a_dash() -> None:
    assert moment(None) == "-"


def test_a_state_is_told_by_its_name_and_never_by_colour_alone() -> None:
    assert "review" in state("review")
    assert state("unheard-of") == "unheard-of"
