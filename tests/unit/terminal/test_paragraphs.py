"""Sentences are broken where a reader would breathe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from breakwall.terminal.paragraphs import WIDEST, fill

WORDS = "an answer comes after 2 s here or in 10 min there or when 300 orders have been charged"


@given(st.integers(20, 200))
def test_no_line_is_wider_than_asked_or_than_can_be_read(width: int) -> None:
    assert max(map(len, fill(WORDS * 5, width).splitlines())) <= min(width, WIDEST)


@given(st.integers(20, 60))
def test_a_unit_stays_with_its_number(width: int) -> None:
    assert not [line for line in fill(WORDS, width).splitlines() if line.split()[0] in {"s", "min"}]


@given(st.integers(20, 200))
def test_not_a_word_is_lost(width: int) -> None:
    assert fill(WORDS, width).split() == WORDS.split()


def test_all_lines_but_the_first_are_indented() -> None:
    first, *rest = fill(WORDS, 30, indent=4).splitlines()
    assert not first.startswith(" ")
    assert all(line.startswith("    ") for line in rest)


def test_what_stands_before_the_first_word_stays() -> None:
    assert fill("  7.2s  " + WORDS, 40, indent=8).startswith("  7.2s  an answer")
