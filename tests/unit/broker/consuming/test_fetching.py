"""How many messages a consumer asks RabbitMQ for, and how messages are acknowledged. No broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.broker.consuming.fetching import RabbitMQFetching, acknowledge_all, has_room


class FakeIntake:
    def __init__(self, capacity: int, held: int = 0) -> None:
        self.capacity = capacity
        self.held = held


class FakeConsumer:
    """Writes down what RabbitMQ would be asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.channel = SimpleNamespace(
            basic_qos=lambda size, count, each: self.asked.append(f"prefetch {count}")
        )

    def consume(self) -> None:
        self.asked.append("consume")

    def cancel(self) -> None:
        self.asked.append("cancel")


def begun(intake: FakeIntake) -> tuple[RabbitMQFetching, list[str]]:
    consumer = FakeConsumer()
    fetching = RabbitMQFetching(consumer, intake)
    consumer.consume()  # by Celery's loop
    fetching.adjust()
    return fetching, consumer.asked


@pytest.mark.parametrize(("held", "room"), [(0, True), (2, True), (3, False), (500, False)])
def test_there_is_room_while_fewer_orders_are_held_than_may_be(held: int, room: bool) -> None:
    assert has_room(FakeIntake(3, held)) == room


class TestRabbitMQ:
    def test_is_asked_for_nothing_while_nothing_may_be_sent(self) -> None:
        fetching, asked = begun(FakeIntake(0))
        fetching.adjust()
        assert asked == []

    def test_is_asked_for_as_many_messages_as_have_the_orders(self) -> None:
        assert begun(FakeIntake(60))[1] == ["prefetch 3", "consume"]

    def test_is_asked_once_and_told_when_the_gate_closes_and_opens(self) -> None:
        intake = FakeIntake(60)
        fetching, asked = begun(intake)
        for intake.capacity in (60, 0, 0, 60):
            fetching.adjust()
        assert asked == ["prefetch 3", "consume", "cancel", "prefetch 3", "consume"]

    def test_is_asked_for_more_messages_if_they_are_small(self) -> None:
        fetching, asked = begun(FakeIntake(60))
        for _ in range(60):
            fetching.received(1)
            fetching.adjust()
        counts = [int(line.split()[1]) for line in asked if line.startswith("prefetch")]
        assert counts[0] == 3
        assert counts[-1] > 30
        assert len(counts) < 8, "each change costs three round trips"

    def test_is_asked_for_one_message_of_probes(self) -> None:
        assert begun(FakeIntake(3))[1] == ["prefetch 1", "consume"]


class FakeChannel:
    def __init__(self, qos: object = None) -> None:
        self.qos = qos


class FakeMessage:
    def __init__(self, channel: Any, tag: str, acked: list[str]) -> None:
        self.channel = channel
        self.delivery_tag = tag
        self._acked = acked

    def ack(self) -> None:
        if self.delivery_tag == "lost":
            raise ConnectionError
        self._acked.append(self.delivery_tag)


def test_messages_of_rabbitmq_are_acknowledged_whatever_becomes_of_one() -> None:
    acked: list[str] = []
    acknowledge_all(FakeMessage(FakeChannel(), tag, acked) for tag in ("a", "lost", "b"))
    assert acked == ["a", "b"]


def test_messages_of_redis_are_acknowledged_together() -> None:
    batches: list[list[str]] = []
    channel = FakeChannel(SimpleNamespace(ack_many=batches.append))
    acknowledge_all(FakeMessage(channel, tag, []) for tag in ("a", "b"))
    assert batches == [["a", "b"]]
