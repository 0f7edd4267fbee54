"""A field of an action's form says what is wrong with what was typed."""

from __future__ import annotations

import re

import pytest

from breakwall.web.page.acting.form_field import (
    FieldKind,
    FormField,
    duration_field,
    duration_in,
)
from breakwall.web.page.words import LANGUAGES, Words

ENGLISH = Words("en")


def field(kind: FieldKind = FieldKind.TEXT, **values: object) -> FormField:
    return FormField(name="it", label="It", kind=kind, **values)  # type: ignore[arg-type]


def test_an_optional_field_may_be_empty() -> None:
    assert field(required=False).problem(" ", ENGLISH) is None
    assert field(FieldKind.NUMBER, required=False).problem("", ENGLISH) is None
    assert field(FieldKind.NUMBER).problem("", ENGLISH) == "Please fill this in."


@pytest.mark.parametrize("typed", ["x" * 10, "한국어 🎉", "<b>&"])
def test_a_text_that_fits_is_taken(typed: str) -> None:
    assert field(limit=10).problem(typed, ENGLISH) is None


def test_a_number_without_a_most_may_be_any_above_0() -> None:
    number = field(FieldKind.NUMBER)
    assert number.problem("1e12", ENGLISH) is None
    assert number.problem("0", ENGLISH) == "It should be a number above 0, such as 2.5."
    assert number.problem("ten", ENGLISH) == "It should be a number above 0, such as 2.5."


def test_the_most_itself_is_taken() -> None:
    number = field(FieldKind.NUMBER, most=3)
    assert number.problem("3", ENGLISH) is None
    assert number.problem("3.1", ENGLISH) == "It should be a number above 0 and at most 3, such as 2.5."


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_of_a_whole_number_is_one_that_fits(language: str) -> None:
    number, words = field(FieldKind.NUMBER, most=3, whole=True), Words(language)
    assert [number.problem(typed, words) for typed in ("1", "3", "2.0")] == [None] * 3
    said = {number.problem(typed, words) for typed in ("2.5", "4", "0", "x")}
    assert len(said) == 1
    example = re.findall(r"[0-9.]*[0-9]", said.pop() or "")[-1]
    assert number.problem(example, words) is None


def test_the_whole_number_is_said_in_english() -> None:
    number = field(FieldKind.NUMBER, most=3, whole=True)
    assert number.problem("2.5", ENGLISH) == "It should be a whole number from 1 to 3, such as 1."


def test_a_duration_is_one_of_the_list_or_for_ever() -> None:
    lasts = duration_field((300.0, 14_400.0), 300.0, "for ever", ENGLISH)
    assert lasts.choices == (("300", "5 min"), ("14400", "4 h"), ("", "for ever"))
    assert lasts.value == "300"
    assert [duration_in(value) for value, _ in lasts.choices] == [300.0, 14_400.0, None]
    assert [lasts.problem(typed, ENGLISH) for typed in ("14400", "")] == [None, None]
    assert lasts.problem("1e9", ENGLISH) == "Please choose one of the list."
