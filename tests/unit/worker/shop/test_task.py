"""What becomes of a message of ours that reaches the shop's own consumer."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from breakwall.broker.config import TASK
from breakwall.broker.messages.strange import StrangeMessage
from breakwall.worker import add_to


class FakeWork:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.submitted: list[tuple[list[str], Callable[[], None]]] = []
        self.strange: list[StrangeMessage] = []

    def submit(self, order_ids: list[str], done: Callable[[], None]) -> None:
        self.submitted.append((order_ids, done))

    def set_aside(self, message: StrangeMessage) -> None:
        self.strange.append(message)


class Consumer:
    """The shop's, which writes down what becomes of a message."""

    def __init__(self, work: FakeWork | None) -> None:
        app = Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)
        addition: Any = add_to(app)
        addition.work = work
        self.handle: Callable[..., None] = app.tasks[TASK].start_strategy(app, self)
        self.fates: list[tuple[Any, ...]] = []

    def get(self, *arguments: object) -> None:
        message = SimpleNamespace(
            headers={"task": TASK, "id": "m1"},
            body=json.dumps([arguments, {}, {}]).encode(),
            content_type="application/json",
            content_encoding="utf-8",
            properties={},
        )
        self.handle(message, None, self._fate("acknowledged"), self._fate("rejected"), [])

    def _fate(self, name: str) -> Callable[..., None]:
        return lambda log, errors, *more: self.fates.append((name, *more))


@pytest.mark.parametrize(("argument", "orders"), [("o1", ["o1"]), (["o1", "o2"], ["o1", "o2"])])
def test_its_orders_go_to_the_drain_and_it_is_acknowledged_when_they_are_done(
    argument: object, orders: list[str]
) -> None:
    work = FakeWork()
    consumer = Consumer(work)
    consumer.get(argument)
    ((submitted, done),) = work.submitted
    assert (submitted, consumer.fates) == (orders, [])
    done()
    assert consumer.fates == [("acknowledged",)]


def test_a_strange_one_is_set_aside_and_acknowledged() -> None:
    work = FakeWork()
    consumer = Consumer(work)
    consumer.get(7)
    assert [one.reason for one in work.strange] == ["its arguments are no orders"]
    assert (work.submitted, consumer.fates) == ([], [("acknowledged",)])


def test_without_a_drain_in_this_process_it_goes_back_to_the_queue() -> None:
    consumer = Consumer(None)
    consumer.get("o1")
    assert consumer.fates == [("rejected", True)]
