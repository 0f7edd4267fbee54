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
            basic_qos=lambda size, count, each: self.asked.append(f"prefetch {count}"), in_hand=set()
        )

    def consume(self) -> None:
        self.asked.append("consume")

    def cancel(self) -> None:
        self.asked.append("cancel")

    def sends(self, fetching: RabbitMQFetching, *tags: int, orders: int = 20) -> None:
        for tag in tags:
            fetching.received(SimpleNamespace(channel=self.channel, delivery_tag=tag), orders)


def begun_with(consumer: FakeConsumer, intake: FakeIntake) -> RabbitMQFetching:
    fetching = RabbitMQFetching(consumer, intake)
    consumer.consume()  # by Celery's loop
    fetching.adjust()
    return fetching


def begun(intake: FakeIntake) -> tuple[RabbitMQFetching, list[str]]:
    consumer = FakeConsumer()
    return begun_with(consumer, intake), consumer.asked


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
        consumer = FakeConsumer()
        fetching = begun_with(consumer, FakeIntake(60, held=60))
        for tag in range(60):
            consumer.sends(fetching, tag, orders=1)
            fetching.adjust()
        counts = [int(line.split()[1]) for line in consumer.asked if line.startswith("prefetch")]
        assert counts[0] == 3
        assert counts[-1] > 30
        assert len(counts) < 8, "each change costs three round trips"

    def test_is_asked_for_one_message_of_probes(self) -> None:
        assert begun(FakeIntake(3))[1] == ["prefetch 1", "consume"]

    def test_is_asked_anew_if_slow_orders_hold_up_all_its_messages(self) -> None:
        """Seen: four messages with one slow order each left 12 of 16 threads without work for 16 seconds."""
        consumer, intake = FakeConsumer(), FakeIntake(60, held=60)
        fetching = begun_with(consumer, intake)
        consumer.sends(fetching, 1, 2, 3)
        fetching.adjust()
        intake.held = 3
        for _ in range(3):
            fetching.adjust()
            consumer.sends(fetching, 4)
        assert consumer.asked == ["prefetch 3", "consume", "cancel", "prefetch 3", "consume"]

    def test_is_asked_for_no_more_while_it_may_still_send(self) -> None:
        consumer, intake = FakeConsumer(), FakeIntake(60)
        fetching = begun_with(consumer, intake)
        consumer.sends(fetching, 1, 2)
        fetching.adjust()
        assert consumer.asked == ["prefetch 3", "consume"]

    def test_is_asked_for_no_more_while_the_worker_holds_half_of_what_it_may(self) -> None:
        consumer, intake = FakeConsumer(), FakeIntake(60, held=30)
        fetching = begun_with(consumer, intake)
        consumer.sends(fetching, 1, 2, 3)
        fetching.adjust()
        assert consumer.asked == ["prefetch 3", "consume"]

    def test_is_used_up_until_a_message_is_acknowledged(self) -> None:
        consumer = FakeConsumer()
        fetching = begun_with(consumer, FakeIntake(60))
        consumer.sends(fetching, 1, 2)
        assert not fetching.is_used_up
        consumer.sends(fetching, 3)
        assert fetching.is_used_up
        consumer.channel.in_hand.discard(2)
        assert not fetching.is_used_up


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
