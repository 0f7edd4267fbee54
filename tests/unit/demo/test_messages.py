"""The story is told to somebody who knows none of the words."""

from __future__ import annotations

import pytest

from breakwall.demo import messages
from breakwall.demo.plan import Plan
from tests.unit.demo.snapshots import scene

PLAN = Plan(600, 25, 12, 1)

EVENTS = [
    messages.prologue(PLAN),
    messages.doors_open(PLAN),
    messages.good_day(scene()),
    messages.answers_lost(6),
    messages.service_killed(4711),
    messages.circuit_opened(11, 0.004),
    messages.probe_failed(scene(retry_after=3.8)),
    messages.outage_goes_on(scene(waiting=190), 5),
    messages.customers_gone(scene()),
    messages.service_returned(12.4, 298, 5),
    messages.circuit_closed(scene(waiting=340)),
    messages.worker_killed(4712, 9),
    messages.worker_replaced(scene(waiting=237)),
    messages.all_settled(),
    messages.not_settled(scene(unsettled=2), 90),
    messages.proof(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.what[:20])
def test_every_sentence_ends(event: messages.Event) -> None:
    for sentence in (event.what, event.customer, event.next):
        assert sentence == "" or sentence.rstrip("”)")[-1] in ".?"


def test_the_reader_is_told_honestly_what_is_shortened() -> None:
    assert "waits are shortened, to 2 s where a shop would have 10 or 30" in messages.prologue(PLAN).what


@pytest.mark.parametrize(
    "turn", [messages.good_day(scene()), messages.answers_lost(6), messages.circuit_opened(11, 0.004)]
)
def test_a_turn_says_what_it_means_for_the_customer_and_what_comes_next(turn: messages.Event) -> None:
    assert turn.customer
    assert turn.next


def test_one_is_singular() -> None:
    assert "1 card charged" in messages.answers_lost(1).what
    assert "1 order waiting" in messages.outage_goes_on(scene(waiting=1), 1).what
    assert "called 1 time:" in messages.outage_goes_on(scene(waiting=1), 1).what


def test_a_wait_too_short_to_measure_is_not_called_nothing() -> None:
    assert "less than 0.01 s" in messages.circuit_opened(11, 0.004).customer
    assert "0.25 s" in messages.circuit_opened(11, 0.25).customer
    assert "a moment" in messages.circuit_opened(11, None).customer
