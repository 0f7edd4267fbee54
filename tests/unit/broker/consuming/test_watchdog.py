"""A consumer that its broker has forgotten connects again; an idle or a busy one does not."""

from __future__ import annotations

import pytest

from breakwall.broker.consuming.watchdog import ANSWERS, QUIET, Watchdog


class FakeConsumer:
    last_message_at = 0.0
    expects_messages = True

    def __init__(self) -> None:
        self.given_up: list[str] = []

    def give_up(self, reason: str) -> None:
        self.given_up.append(reason)


def watch_for(
    seconds: int, consumer: FakeConsumer, depth: int | None, busy_at: float | None = None
) -> list[float]:
    """Run the watchdog each second; return when the consumer was given up."""
    now, given_up = 0.0, []
    watchdog = Watchdog(lambda: depth, clock=lambda: now)
    for second in range(seconds):
        now = float(second)
        if busy_at is not None and second % busy_at == 0:
            consumer.last_message_at = now
        watchdog.run_once(consumer)
        if len(consumer.given_up) > len(given_up):
            given_up.append(now)
    return given_up


def test_a_consumer_is_given_up_if_messages_wait_and_none_comes() -> None:
    first = watch_for(30, FakeConsumer(), 372)[0]
    assert first == pytest.approx(QUIET + QUIET / ANSWERS, abs=1)


@pytest.mark.parametrize("depth", [0, None])
def test_a_consumer_is_kept_if_no_message_is_known_to_wait(depth: int | None) -> None:
    assert watch_for(60, FakeConsumer(), depth) == []


def test_a_consumer_is_kept_if_it_takes_no_message_now() -> None:
    """Because it has enough, or because nothing may be sent."""
    consumer = FakeConsumer()
    consumer.expects_messages = False
    assert watch_for(60, consumer, 372) == []


def test_a_consumer_is_kept_while_messages_come() -> None:
    assert watch_for(60, FakeConsumer(), 372, busy_at=3) == []
