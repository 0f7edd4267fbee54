"""An order keeps its gateway: a process with another one leaves it queued."""

from __future__ import annotations

import pytest
from sqlalchemy import text, update

from breakwall.payments.db.schema import orders
from breakwall.payments.fleet.released_orders import next_released
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.ledger.book import LEASE, Book, order


def of(book: Book, gateway: str) -> Ledger:
    """The ledger of a process with this gateway."""
    return Ledger(book.database, lease=LEASE, clock=book.clock, gateway=gateway)


def dispatcher(book: Book, gateway: str) -> DispatchQueue:
    return DispatchQueue(book.database, clock=book.clock, gateway=gateway)


@pytest.fixture
def order_id(book: Book) -> str:
    """A due order of the gateway http."""
    order_id = book.queued()
    book.clock.advance(60)
    return order_id


def test_it_is_published_by_its_own_dispatcher_alone(book: Book, order_id: str) -> None:
    assert dispatcher(book, "stripe").take_due(10, republish_after=60) == []
    assert dispatcher(book, "http").take_due(10, republish_after=60) == [order_id]


def test_orders_of_another_gateway_hold_no_order_back(book: Book, order_id: str) -> None:
    (ours,) = of(book, "stripe").accept_queued([order("cart-2")]).new.values()
    book.clock.advance(60)
    assert dispatcher(book, "stripe").take_due(1, republish_after=60) == [ours]


def test_it_is_claimed_by_its_own_worker_alone(book: Book, order_id: str) -> None:
    assert of(book, "stripe").claim(order_id) is None
    assert book.get().status is OrderStatus.QUEUED
    assert of(book, "http").claim(order_id) is not None


def test_it_is_claimed_in_an_exchange_by_its_own_worker_alone(book: Book, order_id: str) -> None:
    done = of(book, "stripe").exchange([], [order_id], max_attempts=9)
    assert (done.attempts, done.others, done.crashed) == ([], [], [])
    assert len(of(book, "http").exchange([], [order_id], max_attempts=9).attempts) == 1


def test_the_circuit_of_another_gateway_does_not_defer_it(book: Book, order_id: str) -> None:
    assert not of(book, "stripe").defer(order_id, 60)
    assert of(book, "stripe").defer_many([order_id], 60) == []
    assert of(book, "http").defer_many([order_id], 60) == [order_id]


def test_a_crashed_one_is_reclaimed_by_any_dispatcher(book: Book, order_id: str) -> None:
    assert of(book, "http").claim(order_id) is not None
    book.clock.advance(LEASE)
    assert dispatcher(book, "stripe").reclaim_expired() == [order_id]
    assert of(book, "stripe").claim(order_id) is None


def test_a_released_one_waits_for_its_own_worker(book: Book, order_id: str) -> None:
    book.database.write(
        lambda connection: connection.execute(
            text("INSERT INTO released_orders (order_id, at) SELECT id, created_at FROM orders")
        )
    )

    def released(gateway: str) -> str | None:
        return book.database.read(lambda connection: next_released(connection, book.clock, gateway))

    assert (released("stripe"), released("http")) == (None, order_id)


def test_an_order_from_before_gateways_had_names_is_the_default_ones(book: Book, order_id: str) -> None:
    """There was no other."""
    book.database.write(lambda connection: connection.execute(update(orders).values(gateway=None)))
    assert dispatcher(book, "stripe").take_due(10, republish_after=60) == []
    assert of(book, "stripe").claim(order_id) is None
    assert dispatcher(book, "http").take_due(10, republish_after=60) == [order_id]
    assert of(book, "http").claim(order_id) is not None


def test_of_orders_without_names_only_the_one_that_is_named_is_claimed(book: Book, order_id: str) -> None:
    book.queued("cart-2")
    book.clock.advance(60)
    book.database.write(lambda connection: connection.execute(update(orders).values(gateway=None)))
    assert of(book, "http").claim(order_id) is not None
    assert book.get("cart-2").status is OrderStatus.QUEUED
    assert of(book, "http").defer_many([order_id], 60) == []
