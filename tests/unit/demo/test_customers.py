"""The customers come by a schedule, and record what they are told."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from breakwall.demo.acknowledgements import AcknowledgementWriter
from breakwall.demo.customers import generate_orders, paced, place_and_record
from breakwall.payments.orders import Order, OrderStatus
from producers import PlaceResult
from tests.manual_clock import MonotonicClock


class FakeProducer:
    """Gives the same answer to every order."""

    def __init__(self, answer: PlaceResult | Exception) -> None:
        self.answer = answer

    def place(self, order: Order) -> PlaceResult:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def written(answer: PlaceResult | Exception) -> dict[str, Any]:
    stream = io.StringIO()
    (order,) = generate_orders(1, seed=1)
    place_and_record(FakeProducer(answer), order, AcknowledgementWriter(stream))  # type: ignore[arg-type]
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def test_the_same_seed_makes_the_same_orders() -> None:
    assert list(generate_orders(20, seed=7)) == list(generate_orders(20, seed=7))
    assert list(generate_orders(20, seed=7)) != list(generate_orders(20, seed=8))


def test_every_order_has_a_key_of_its_own() -> None:
    assert len({order.idempotency_key for order in generate_orders(500, seed=7)}) == 500


def test_the_customers_come_at_their_rate() -> None:
    clock = MonotonicClock()
    came = [clock.now for _ in paced(generate_orders(5, seed=1), 2.0, clock, clock.sleep)]
    assert came == [100.0, 100.5, 101.0, 101.5, 102.0]


def test_a_delay_of_one_order_does_not_delay_all_later_ones() -> None:
    clock = MonotonicClock()
    came = []
    for number, _ in enumerate(paced(generate_orders(4, seed=1), 1.0, clock, clock.sleep)):
        came.append(clock.now)
        if number == 0:
            clock.sleep(1.9)
    assert came == pytest.approx([100.0, 101.9, 102.0, 103.0])


def test_an_accepted_order_is_recorded_with_the_status_that_the_customer_was_told() -> None:
    line = written(PlaceResult("order-1", OrderStatus.QUEUED))
    assert line["event"] == "acknowledged"
    assert (line["order_id"], line["status"]) == ("order-1", "queued")


def test_an_error_is_recorded() -> None:
    assert written(RuntimeError("no database"))["event"] == "failed"
