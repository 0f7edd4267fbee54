"""The due orders that are published, and the expired claims that are reclaimed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger.accept import PUBLISH_GRACE
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.ledger.book import LEASE, Book, order


def test_a_new_order_is_left_to_its_producer_for_a_moment(book: Book) -> None:
    order_id = book.queued()
    assert book.dispatch_queue.take_due(10, republish_after=60) == []
    book.clock.advance(PUBLISH_GRACE)
    assert book.dispatch_queue.take_due(10, republish_after=60) == [order_id]


def test_a_new_order_is_not_left_to_a_producer_from_before_the_broker(book: Book) -> None:
    first = book.queued()
    book.ledger.accept_queued([order("not-due")], delay=5.0)
    assert book.dispatch_queue.take_due(10, republish_after=60, ahead=PUBLISH_GRACE) == [first]
    assert book.dispatch_queue.take_due(10, republish_after=60, ahead=PUBLISH_GRACE) == []


def test_an_order_that_waits_for_the_circuit_is_the_dispatchers_from_the_moment_it_is_due(book: Book) -> None:
    book.ledger.accept_queued([order()], delay=2.0, deferrals=1)
    book.clock.advance(1.9)
    assert book.dispatch_queue.take_due(10, republish_after=60) == []
    book.clock.advance(0.1)
    assert len(book.dispatch_queue.take_due(10, republish_after=60)) == 1


def test_a_published_order_is_left_alone_until_its_message_is_taken_for_lost(book: Book) -> None:
    order_id = book.queued()
    book.clock.advance(PUBLISH_GRACE)
    book.dispatch_queue.take_due(10, republish_after=60)
    book.clock.advance(59)
    assert book.dispatch_queue.take_due(10, republish_after=60) == []
    book.clock.advance(1)
    assert book.dispatch_queue.take_due(10, republish_after=60) == [order_id]


def test_what_could_not_be_published_is_due_again_at_once(book: Book) -> None:
    order_id = book.queued()
    book.clock.advance(PUBLISH_GRACE)
    book.dispatch_queue.give_back_due(book.dispatch_queue.take_due(10, republish_after=60))
    assert book.dispatch_queue.take_due(10, republish_after=60) == [order_id]


def test_an_order_that_is_not_due_yet_is_not_published_early_because_a_worker_gave_it_back(
    book: Book,
) -> None:
    (order_id,) = book.ledger.accept_queued([order()], delay=30.0).new.values()
    book.dispatch_queue.give_back_due([order_id])
    assert book.dispatch_queue.take_due(10, republish_after=60) == []
    book.clock.advance(30)
    assert book.dispatch_queue.take_due(10, republish_after=60) == [order_id]


def test_the_longest_due_go_first(book: Book) -> None:
    for delay in (30.0, 20.0, 40.0):
        book.ledger.accept_queued([order(f"cart-{delay}")], delay=delay)
    book.clock.advance(60)
    keys = [
        book.get(order_id).idempotency_key for order_id in book.dispatch_queue.take_due(2, republish_after=60)
    ]
    assert keys == ["cart-20.0", "cart-30.0"]


def test_four_dispatchers_choose_different_orders(book: Book) -> None:
    book.ledger.accept_queued([order(f"cart-{n}") for n in range(100)])
    book.clock.advance(PUBLISH_GRACE)
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: book.dispatch_queue.take_due(25, republish_after=60), range(8)))
    chosen = [order_id for batch in taken for order_id in batch]
    assert len(chosen) == len(set(chosen)) == 100


def test_a_running_claim_is_not_reclaimed(book: Book) -> None:
    book.sending()
    book.clock.advance(LEASE - 0.1)
    assert book.dispatch_queue.reclaim_expired() == []


def test_the_attempt_of_an_order_that_is_reclaimed_ends_as_unknown_at_that_moment(book: Book) -> None:
    """The settle time of its charge begins then."""
    (attempt,) = list_attempts(book.database, book.crashed())
    assert (attempt.outcome, attempt.finished_at) == (Outcome.UNKNOWN, book.clock.now)


def test_an_order_whose_claim_ran_out_three_times_after_the_first_time_goes_to_review(book: Book) -> None:
    """The first time it was not alone, perhaps."""
    order_id = book.crashed()
    for _ in range(3):
        assert book.get().status is OrderStatus.QUEUED
        book.reclaim(order_id)
        book.clock.advance(LEASE)
        book.dispatch_queue.reclaim_expired()
    assert book.get().status is OrderStatus.REVIEW
