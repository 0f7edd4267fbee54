"""How durations, counts and moments read, and where a long text is broken into lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.terminal.words import WIDEST, count, duration, fill, moment, state

SENTENCE = "an answer comes after 2 s here or in 10 min there or when 300 orders have been charged"


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
def test_a_duration_is_reported_in_the_units_that_matter(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_one_is_singular_and_thousands_are_grouped() -> None:
    assert (count(1, "order"), count(0, "order"), count(1284, "order")) == (
        "1 order",
        "0 orders",
        "1,284 orders",
    )


def test_an_irregular_plural_is_given() -> None:
    assert count(2, "success", "successes") == "2 successes"


def test_a_moment_is_reported_in_utc_wherever_it_comes_from() -> None:
    at = datetime(2026, 11, 23, 19, 0, tzinfo=timezone(timedelta(hours=9)))
    assert moment(at) == moment(at.astimezone(UTC)) == "2026-11-23 10:00:00 UTC"


def test_no_moment_is_a_dash() -> None:
    assert moment(None) == "-"


def test_a_state_is_reported_by_its_name_and_never_by_colour_alone() -> None:
    assert "review" in state("review")
    assert state("unheard-of") == "unheard-of"


@given(st.integers(20, 200))
def test_no_line_is_wider_than_asked_or_than_can_be_read(width: int) -> None:
    assert max(map(len, fill(SENTENCE * 5, width).splitlines())) <= min(width, WIDEST)


@given(st.integers(20, 60))
def test_a_unit_stays_with_its_number(width: int) -> None:
    assert not [line for line in fill(SENTENCE, width).splitlines() if line.split()[0] in {"s", "min"}]


@given(st.integers(20, 200))
def test_not_a_word_is_lost(width: int) -> None:
    assert fill(SENTENCE, width).split() == SENTENCE.split()


def test_all_lines_but_the_first_are_indented() -> None:
    first, *rest = fill(SENTENCE, 30, indent=4).splitlines()
    assert not first.startswith(" ")
    assert all(line.startswith("    ") for line in rest)


def test_what_stands_before_the_first_word_stays() -> None:
    assert fill("  7.2s  " + SENTENCE, 40, indent=8).startswith("  7.2s  an answer")
