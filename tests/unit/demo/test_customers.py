"""The customers come by a schedule, and write down what they are told."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from breakwall.demo.acknowledgements import PromiseWriter
from breakwall.demo.customers import paced, serve, shopping
from breakwall.payments.orders import Order, OrderStatus
from producers import PlaceResult


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Counter:
    """A shop's counter that gives the same answer to everybody."""

    def __init__(self, answer: PlaceResult | Exception) -> None:
        self.answer = answer

    def place(self, order: Order) -> PlaceResult:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def written(answer: PlaceResult | Exception) -> dict[str, Any]:
    stream = io.StringIO()
    (order,) = shopping(1, seed=1)
    serve(Counter(answer), order, PromiseWriter(stream))  # type: ignore[arg-type]  # all that serve uses
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def test_the_same_seed_goes_shopping_for_the_same_things() -> None:
    assert list(shopping(20, seed=7)) == list(shopping(20, seed=7))
    assert list(shopping(20, seed=7)) != list(shopping(20, seed=8))


def test_every_customer_has_a_key_of_its_own() -> None:
    assert len({order.idempotency_key for order in shopping(500, seed=7)}) == 500


def test_the_customers_come_at_their_rate() -> None:
    time = Time()
    came = [time.now for _ in paced(shopping(5, seed=1), 2.0, lambda: time.now, time.sleep)]
    assert came == [100.0, 100.5, 101.0, 101.5, 102.0]


def test_a_customer_who_takes_long_does_not_delay_those_after_the_next() -> None:
    time = Time()
    came = []
    for number, _ in enumerate(paced(shopping(4, seed=1), 1.0, lambda: time.now, time.sleep)):
        came.append(time.now)
        if number == 0:
            time.sleep(1.9)
    assert came == pytest.approx([100.0, 101.9, 102.0, 103.0])


def test_an_accepted_order_is_written_down_with_what_the_customer_was_told() -> None:
    line = written(PlaceResult("order-1", OrderStatus.QUEUED))
    assert line["event"] == "promised"
    assert (line["order_id"], line["told"]) == ("order-1", "queued")


def test_a_customer_who_gets_an_error_was_promised_nothing() -> None:
    assert written(RuntimeError("no database"))["event"] == "refused"
