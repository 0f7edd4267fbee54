"""A consumer that its broker has forgotten connects anew; one that has nothing to do, or its hands full, does not."""

from __future__ import annotations

import pytest

from breakwall.broker.consuming.watchdog import LOOKS, PATIENCE, Watch


class Consumer:
    idle_slots = 4
    last_message_at = 0.0
    consumes = True

    def __init__(self) -> None:
        self.given_up: list[str] = []

    def give_up(self, reason: str) -> None:
        self.given_up.append(reason)


def watch_for(
    seconds: int, consumer: Consumer, depth: int | None, busy_at: float | None = None
) -> list[float]:
    """Look each second; returns when the consumer was given up."""
    now, given_up = 0.0, []
    watch = Watch(lambda: depth, clock=lambda: now)
    for second in range(seconds):
        now = float(second)
        if busy_at is not None and second % busy_at == 0:
            consumer.last_message_at = now
        watch.run_once(consumer)
        if len(consumer.given_up) > len(given_up):
            given_up.append(now)
    return given_up


def test_a_consumer_that_gets_none_of_the_messages_that_wait_is_given_up() -> None:
    first = watch_for(30, Consumer(), 372)[0]
    assert first == pytest.approx(PATIENCE + PATIENCE / LOOKS, abs=1)


@pytest.mark.parametrize("depth", [0, None])
def test_none_is_given_up_where_nothing_waits_or_nobody_knows(depth: int | None) -> None:
    assert watch_for(60, Consumer(), depth) == []


def test_none_is_given_up_that_has_its_hands_full() -> None:
    consumer = Consumer()
    consumer.idle_slots = 0
    assert watch_for(60, consumer, 372) == []


def test_none_is_given_up_that_was_told_to_take_none() -> None:
    consumer = Consumer()
    consumer.consumes = False
    assert watch_for(60, consumer, 372) == []


def test_none_is_given_up_while_messages_come() -> None:
    assert watch_for(60, Consumer(), 372, busy_at=3) == []
