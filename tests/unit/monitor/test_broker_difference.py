"""A difference between the database and the broker means something only if it stands."""

from __future__ import annotations

from datetime import timedelta

import pytest

from breakwall.monitor.broker_difference import difference, standing_difference
from breakwall.monitor.history.sample import Sample
from tests.unit.monitor.snapshots import NOON


def samples(*differences: int | None, every: float = 10.0) -> list[Sample]:
    return [
        Sample(
            at=NOON + timedelta(seconds=every * number),
            span=every,
            **dict.fromkeys(("queued", "due", "in_flight", "review", "dead"), 0),
            broker_difference=each,
        )
        for number, each in enumerate(differences)
    ]


@pytest.mark.parametrize(
    ("published", "messages", "slots", "expected"),
    [
        (0, 0, 0, 0),
        (20, 1, 0, 0),  # A message has up to 20 orders.
        (1, 1, 0, 0),
        (21, 1, 0, 1),
        (4, 0, 1, 0),  # A worker has taken them.
        (5, 0, 1, 1),
        (2, 5, 1, -3),  # Each message has an order at least.
        (9, None, 1, None),
    ],
)
def test_orders_and_messages_may_agree_or_not(
    published: int, messages: int | None, slots: int, expected: int | None
) -> None:
    assert difference(published, messages, slots) == expected


def test_a_difference_that_each_sample_has_stands_as_far_as_all_have_it() -> None:
    assert standing_difference(samples(30, 12, 15, 40, 30, 33)) == 12
    assert standing_difference(samples(-3, -7, -5, -5, -4)) is None, "it is known for less than 45 seconds"
    assert standing_difference(samples(-3, -7, -5, -5, -4, -9)) == -3


def test_a_difference_that_comes_and_goes_is_none() -> None:
    assert standing_difference(samples(30, 12, 0, 40, 30, 33)) == 0
    assert standing_difference(samples(30, 12, -2, 40, 30, 33)) == 0


def test_what_one_sample_does_not_know_is_unknown() -> None:
    assert standing_difference(samples(30, 12, None, 40, 30, 33)) is None
    assert standing_difference([]) is None
