from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.web.orders.preferences import LONGEST_WAIT, Preferences, preferences_in


@pytest.mark.parametrize(
    ("values", "wait", "respond_async"),
    [
        (["wait=5"], 5, False),
        (["Wait = 5"], 5, False),
        (['wait="5"'], 5, False),
        (["respond-async"], None, True),
        (["respond-async, wait=5"], 5, True),
        (["respond-async", "wait=5"], 5, True),
        (["wait=5, wait=9"], 5, False),
        (["wait=5; foo=bar, respond-async"], 5, True),
        (['return=minimal; foo="a, b", wait=5'], 5, False),
        (["wait=99999999999999"], LONGEST_WAIT, False),
        (["wait=0000000000012"], 12, False),
        (["wait=000"], 0, False),
        (["wait=5" + " " * 500], None, False),
        (["handling=lenient"], None, False),
        (["wait=-1"], None, False),
        (["wait=1.5"], None, False),
        (["wait=soon"], None, False),
        (["wait=٣"], None, False),
        (["wait"], None, False),
        (["(((, wait=5"], None, False),
        ([""], None, False),
    ],
)
def test_what_is_understood_counts(values: list[str], wait: int | None, respond_async: bool) -> None:
    assert preferences_in(values) == Preferences(wait, respond_async)


@pytest.mark.parametrize(
    ("given", "applied"),
    [
        (Preferences(), {}),
        (Preferences(5), {"Preference-Applied": "wait=5"}),
        (Preferences(None, True), {"Preference-Applied": "respond-async"}),
        (Preferences(5, True), {"Preference-Applied": "respond-async, wait=5"}),
    ],
)
def test_what_was_understood_is_said(given: Preferences, applied: dict[str, str]) -> None:
    assert given.headers == applied


def test_an_order_is_queued_at_once_only_if_its_caller_does_not_want_to_wait_first() -> None:
    assert [Preferences(None, True).enqueues, Preferences(5, True).enqueues, Preferences().enqueues] == [
        True,
        False,
        False,
    ]


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=200), max_size=3))
def test_any_header_is_read_and_the_wait_is_bounded(values: list[str]) -> None:
    wait = preferences_in(values).wait
    assert wait is None or 0 <= wait <= LONGEST_WAIT
