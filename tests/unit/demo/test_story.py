"""The story is told to somebody who knows none of the words."""

from __future__ import annotations

import pytest

from breakwall.demo import story
from breakwall.demo.plan import Plan

from .scenes import scene

PLAN = Plan(600, 25, 12, 1)

EVENTS = [
    story.prologue(PLAN),
    story.doors_open(PLAN),
    story.good_day(scene()),
    story.answers_lost(6),
    story.service_killed(4711),
    story.circuit_opened(11, 0.004),
    story.probe_failed(scene(retry_after=3.8)),
    story.outage_goes_on(scene(waiting=190), 5),
    story.customers_gone(scene()),
    story.service_returned(12.4, 298, 5),
    story.circuit_closed(scene(waiting=340)),
    story.worker_killed(4712, 9),
    story.worker_replaced(scene(waiting=237)),
    story.all_settled(),
    story.not_settled(scene(unsettled=2), 90),
    story.proof(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.what[:20])
def test_every_sentence_ends(event: story.Event) -> None:
    for sentence in (event.what, event.customer, event.next):
        assert sentence == "" or sentence.rstrip("”)")[-1] in ".?"


def test_the_reader_is_told_honestly_what_is_shortened() -> None:
    assert "waits are shortened, to 2 s where a shop would have 10 or 30" in story.prologue(PLAN).what


@pytest.mark.parametrize(
    "turn", [story.good_day(scene()), story.answers_lost(6), story.circuit_opened(11, 0.004)]
)
def test_a_turn_says_what_it_means_for_the_customer_and_what_comes_next(turn: story.Event) -> None:
    assert turn.customer
    assert turn.next


def test_one_is_singular() -> None:
    assert "1 card charged" in story.answers_lost(1).what
    assert "1 order waiting" in story.outage_goes_on(scene(waiting=1), 1).what
    assert "called 1 time:" in story.outage_goes_on(scene(waiting=1), 1).what


def test_a_wait_too_short_to_measure_is_not_called_nothing() -> None:
    assert "less than 0.01 s" in story.circuit_opened(11, 0.004).customer
    assert "0.25 s" in story.circuit_opened(11, 0.25).customer
    assert "a moment" in story.circuit_opened(11, None).customer
