"""Accepting orders: each key once, all of a batch or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import event, text

from breakwall.payments.db.database import Database
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus, StoredOrder
from tests.contract.payments.ledger.book import Book, order
from tests.waiting import wait_until


def test_an_order_that_is_charged_now_is_claimed_and_its_attempt_written(book: Book) -> None:
    book.sending()
    assert book.get().status is OrderStatus.IN_FLIGHT
    assert book.outcomes() == [None]
    assert book.get().retry_count == 0


def test_amount_currency_and_user_are_kept_as_they_came(book: Book) -> None:
    book.sending()
    stored = book.get()
    assert (stored.user_id, stored.amount, stored.currency) == ("u1", 10_000, "KRW")


def test_the_same_order_again_is_the_first_one(book: Book) -> None:
    first = book.sending()
    again = book.ledger.accept_sending(order())
    assert isinstance(again, StoredOrder)
    assert again.id == first.claim.order_id
    assert len(list_orders(book.database)) == 1


def test_a_key_of_another_order_is_refused_and_changes_nothing(book: Book) -> None:
    book.sending()
    with pytest.raises(IdempotencyConflictError, match="another amount"):
        book.ledger.accept_sending(order(amount=1))
    assert book.get().amount == 10_000


def test_a_batch_with_a_conflict_is_refused_whole(book: Book) -> None:
    book.queued("cart-1")
    with pytest.raises(IdempotencyConflictError):
        book.ledger.accept_queued([order("cart-2"), order("cart-1", amount=1)])
    assert [stored.idempotency_key for stored in list_orders(book.database)] == ["cart-1"]


def test_a_batch_separates_new_orders_from_known_ones(book: Book) -> None:
    known = book.queued("cart-1")
    accepted = book.ledger.accept_queued([order("cart-1"), order("cart-2"), order("cart-2")])
    assert list(accepted.new) == ["cart-2"]
    assert accepted.known["cart-1"].id == known


def test_a_refused_order_is_due_when_the_breaker_said_so(book: Book) -> None:
    order_id = book.ledger.accept_queued([order()], delay=30.0, deferrals=1).new["cart-1"]
    assert book.get().deferral_count == 1
    book.clock.advance(29.9)
    assert book.ledger.claim(order_id) is None
    book.clock.advance(0.1)
    assert book.ledger.claim(order_id) is not None


def test_one_hundred_threads_with_one_key_store_one_order(book: Book) -> None:
    with ThreadPoolExecutor(20) as threads:
        results = list(threads.map(lambda _: book.ledger.accept_sending(order()), range(100)))
    assert sum(isinstance(result, Attempt) for result in results) == 1
    assert len(list_orders(book.database)) == 1


def test_two_batches_with_the_same_keys_in_opposite_order_do_not_deadlock(postgres_url: str) -> None:
    failed: list[object] = []
    with closing(Book(postgres_url).database) as database, ThreadPoolExecutor(2) as threads:
        ledger = Ledger(database, lease=15)
        batch = [order("first"), order("held"), order("last")]
        event.listen(database.engine, "handle_error", failed.append)
        with insertion_of(ledger, batch[1]):
            asked = [threads.submit(ledger.accept_queued, one) for one in (batch, batch[::-1])]
            wait_until(lambda: waiting_for_a_lock(database) == 2)
        new = [key for each in asked for key in each.result().new]
    assert sorted(new) == ["first", "held", "last"]
    assert failed == []


def test_the_new_orders_of_a_batch_are_named_as_they_came(book: Book) -> None:
    keys = [f"cart-{number}" for number in range(20)]
    assert list(book.ledger.accept_queued([order(key) for key in keys]).new) == keys


@contextmanager
def insertion_of(ledger: Ledger, one: Order) -> Iterator[None]:
    """Insert an order in a transaction that is then rolled back."""
    row, due = ledger._new_row(one, None), {"due_in": 0.0, "dispatch_in": 0.0, "deferrals": 0}
    with ledger.database.engine.connect() as connection:
        assert ledger._insert_queued(connection, [row], due)
        yield
        connection.rollback()


def waiting_for_a_lock(database: Database) -> int:
    asking = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
    return database.read(lambda connection: int(connection.scalar(asking) or 0))
