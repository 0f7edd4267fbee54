"""The checks of what the shop has heard can fail, and say why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, cast

import pytest
from sqlalchemy import text

from breakwall.payments.orders import Order, OrderStatus
from breakwall.producers.pending import PlaceResult
from tests.chaos.invariants import read_evidence
from tests.simulation.customers import Customer, Customers
from tests.simulation.engine import Engine
from tests.simulation.faults import FaultInjector
from tests.simulation.outcome_checks import OutcomeChecks
from tests.simulation.scenario import Scenario
from tests.simulation.shop import WEBHOOK, Shop
from tests.simulation.storage import Storage
from tests.simulation.trace import Trace
from tests.simulation.world import World

SCENARIO = replace(Scenario.random(Random(0)), ways=(WEBHOOK,), restore=None, helps_the_shop=False)
ORDER = Order("u1", 10, "KRW", "cart-1")


@dataclass
class Everybody:
    all: list[Customer]


class RunAtRest:
    """An order went to review, and a person resolved it as paid. ``events`` are the two that the shop has to take."""

    def __init__(self, storage: Storage) -> None:
        rng, self.storage = Random(0), storage
        world = World(Engine(rng), FaultInjector(rng), rng, Trace(lambda: 0.0, kept=False))
        storage.begin(world)
        storage.end()
        self.shop = Shop(world)
        self.customer = Customer(ORDER, [PlaceResult("order-1", OrderStatus.QUEUED)], calls=1)
        self.checks = OutcomeChecks(storage, SCENARIO, self.shop)
        self._insert()
        (order,) = self._orders()
        self.events = [written.document(order) for written in self.checks.written()]

    def take(self, *events: dict[str, Any]) -> list[str]:
        """The shop takes these; what is wrong then?"""
        for event in events:
            self.shop.take(WEBHOOK, event["id"], json.dumps(event))
        customers = cast("Customers", Everybody([self.customer]))
        return list(self.checks.violations(self._orders(), customers))

    def _orders(self) -> list[Any]:
        return list(read_evidence(self.storage.database, []).orders.values())

    def _insert(self) -> None:
        insert, text = self.storage.insert, self.storage.text
        columns: dict[str, object] = {"idempotency_key": "cart-1", "charge_key": "cart-1", "user_id": "u1"}
        columns |= {"amount": 10, "currency": "KRW", "created_at": text(0.0), "settled_at": text(20.0)}
        insert("orders", id="order-1", status="paid", charge_id="ch_1", **columns)
        insert("destinations", name=WEBHOOK, since=text(5.0))
        ends: tuple[dict[str, object], ...] = (
            {"status": "review", "at": text(10.0)},
            {"status": "paid", "charge_id": "ch_1", "at": text(20.0)},
        )
        for end in ends:
            insert("outcomes", order_id="order-1", retry_count=1, **end)


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    storage = Storage()
    yield storage
    storage.close()


@pytest.fixture
def run(storage: Storage) -> RunAtRest:
    return RunAtRest(storage)


def test_events_in_their_order_are_right_and_so_is_a_duplicate(run: RunAtRest) -> None:
    review, paid = run.events
    assert run.take(review, review, paid, review) == []


def test_an_event_that_never_came_is_found_out(run: RunAtRest) -> None:
    review, paid = run.events
    [problem] = run.take(review)
    assert f"never taken {paid['id']}" in problem


def test_a_later_event_before_an_earlier_one_is_found_out(run: RunAtRest) -> None:
    review, paid = run.events
    [problem] = run.take(paid, review)
    assert f"{paid['id']} (paid) of order cart-1 before {review['id']}" in problem


def test_a_later_event_may_come_before_one_that_was_given_up(run: RunAtRest) -> None:
    review, paid = run.events
    given_up = {"status": "review", "at": run.storage.text(10.0), "destination": WEBHOOK}
    run.storage.insert("gave_up", outcome_id=1, order_id="order-1", **given_up)
    run.storage.insert(
        "incidents", order_id="order-1", kind="undelivered", detail="", at=run.storage.text(15.0)
    )
    assert run.take(paid, review) == []


def test_another_text_under_the_same_id_is_found_out(run: RunAtRest) -> None:
    review, paid = run.events
    assert run.take(review, paid, {**paid, "type": "order.dead"})[0].startswith(f"event {paid['id']} was ")


def test_an_event_that_says_something_else_than_the_database_is_found_out(run: RunAtRest) -> None:
    review, paid = run.events
    told = {**paid, "data": {**paid["data"], "reason": "expired"}}
    [problem] = run.take(review, told)
    assert "has taken" in problem


def test_an_event_that_no_outcome_says_is_found_out(run: RunAtRest) -> None:
    [problem] = run.take(*run.events, {"id": "evt_9_aaaaaaaaaaaaaaaa"})
    assert problem.endswith("which no outcome says")


def test_the_end_that_place_returned_is_found_out_if_the_shop_is_told_too(run: RunAtRest) -> None:
    run.customer.answers = [PlaceResult("order-1", OrderStatus.PAID, "ch_1")]
    [problem] = run.take(*run.events)
    assert problem.startswith("`place` has returned")


@pytest.mark.parametrize("change", ["fence = 2", "cancel_requested = 1"])
def test_of_an_order_that_somebody_else_claimed_or_cancelled_both_may_happen(
    run: RunAtRest, change: str
) -> None:
    run.customer.answers = [PlaceResult("order-1", OrderStatus.PAID, "ch_1")]
    changed = text(f"UPDATE orders SET {change}")
    run.storage.database.write(lambda connection: connection.execute(changed))
    assert run.take(*run.events) == []
