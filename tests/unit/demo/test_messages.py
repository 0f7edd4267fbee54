"""The messages are for a reader who knows none of the terms."""

from __future__ import annotations

import pytest

from breakwall.demo import messages
from breakwall.demo.options import DemoOptions
from tests.unit.demo.snapshots import snapshot

OPTIONS = DemoOptions(600, 25, 12, 1)

MESSAGES = [
    messages.introduction(OPTIONS),
    messages.customers_come(OPTIONS),
    messages.good_day(snapshot()),
    messages.answers_lost(6),
    messages.service_killed(4711),
    messages.circuit_opened(11, 0.004),
    messages.probe_failed(snapshot(retry_after=3.8)),
    messages.outage_continues(snapshot(waiting=190), 5),
    messages.all_customers_came(snapshot()),
    messages.service_returned(12.4, 298, 5),
    messages.circuit_closed(snapshot(waiting=340)),
    messages.worker_killed(4712, 9),
    messages.worker_replaced(snapshot(waiting=237)),
    messages.all_finished(),
    messages.not_finished(snapshot(unfinished=2), 90),
    messages.proof(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.what[:20])
def test_every_sentence_ends(message: messages.DemoMessage) -> None:
    for sentence in (message.what, message.customer, message.next):
        assert sentence == "" or sentence.rstrip("”)")[-1] in ".?"


def test_the_reader_is_told_honestly_what_is_shortened() -> None:
    assert "waits are shorter: 2 s, where a shop would have 10 or 30" in messages.introduction(OPTIONS).what


@pytest.mark.parametrize(
    "message", [messages.good_day(snapshot()), messages.answers_lost(6), messages.circuit_opened(11, 0.004)]
)
def test_a_turning_point_says_what_it_means_for_the_customer_and_what_comes_next(
    message: messages.DemoMessage,
) -> None:
    assert message.customer
    assert message.next


def test_one_is_singular() -> None:
    assert "1 card charged" in messages.answers_lost(1).what
    assert "1 order waiting" in messages.outage_continues(snapshot(waiting=1), 1).what
    assert "called only 1 time." in messages.outage_continues(snapshot(waiting=1), 1).what


def test_a_wait_too_short_to_measure_is_not_called_nothing() -> None:
    assert "less than 0.01 s" in messages.circuit_opened(11, 0.004).customer
    assert "0.25 s" in messages.circuit_opened(11, 0.25).customer
    assert "a moment" in messages.circuit_opened(11, None).customer
