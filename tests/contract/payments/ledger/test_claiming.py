"""Claims, deferrals, and attempts that begin under a claim."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from breakwall.payments.orders import OrderStatus
from tests.contract.payments.ledger.book import LEASE, Book, order


def test_a_doubled_message_finds_nothing_to_claim(book: Book) -> None:
    claim = book.claimed()
    assert book.ledger.claim(claim.order_id) is None


def test_each_claim_raises_the_fence(book: Book) -> None:
    claim = book.claimed()
    assert book.ledger.release(claim, 0.0)
    assert book.reclaim(claim.order_id).fence == claim.fence + 1


def test_an_unknown_order_is_nothing_to_claim(book: Book) -> None:
    assert book.ledger.claim("no-such-order") is None


def test_eight_claimers_claim_nothing_twice(book: Book) -> None:
    ids = list(book.ledger.accept_queued([order(f"cart-{n}") for n in range(20)]).new.values())
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(book.ledger.claim, [one for one in ids for _ in range(8)]))
    assert sum(claim is not None for claim in claims) == 20


def test_a_released_claim_uses_up_no_attempt(book: Book) -> None:
    claim = book.claimed()
    book.ledger.release(claim, 7.0)
    stored = book.get()
    assert (stored.status, stored.retry_count, stored.deferral_count) == (OrderStatus.QUEUED, 0, 1)


def test_a_released_claim_cancels_an_order_of_which_nothing_may_have_been_charged(book: Book) -> None:
    claim = book.claimed()
    book.people.cancel("cart-1")
    assert book.ledger.release(claim, 7.0) is OrderStatus.CANCELLED


def test_a_released_claim_cancels_no_order_that_may_have_been_charged(book: Book) -> None:
    """ "Cancelled" says that nothing was charged, and no worker would look it up any more."""
    claim = book.reclaim(book.crashed())
    book.people.cancel("cart-1")
    assert book.ledger.release(claim, 7.0) is OrderStatus.QUEUED
    assert (book.get().status, book.get().cancel_requested) == (OrderStatus.QUEUED, True)
    assert book.get().next_attempt_at is not None


def test_a_deferral_without_a_claim_uses_up_no_attempt(book: Book) -> None:
    order_id = book.queued()
    assert book.ledger.defer(order_id, 7.0)
    assert (book.get().retry_count, book.get().deferral_count) == (0, 1)


def test_an_early_message_defers_nothing(book: Book) -> None:
    order_id = book.queued()
    book.ledger.defer(order_id, 7.0)
    assert not book.ledger.defer(order_id, 7.0)
    assert book.get().deferral_count == 1


def test_retry_count_and_the_attempt_are_written_before_the_call(book: Book) -> None:
    book.retrying()
    assert book.get().retry_count == 1
    assert book.outcomes() == [None]


def test_an_attempt_starts_the_lease_anew(book: Book) -> None:
    claim = book.claimed()
    book.clock.advance(LEASE - 1)
    assert book.ledger.begin_attempt(claim) is not None
    book.clock.advance(LEASE - 1)
    assert book.dispatch_queue.reclaim_expired() == []


def test_nothing_is_sent_under_a_lease_that_ran_out(book: Book) -> None:
    claim = book.claimed()
    book.clock.advance(LEASE)
    assert book.ledger.begin_attempt(claim) is None
    assert book.get().retry_count == 0


def test_nothing_is_sent_under_a_fence_that_was_overtaken(book: Book) -> None:
    claim = book.claimed()
    book.clock.advance(LEASE)
    book.dispatch_queue.reclaim_expired()
    book.reclaim(claim.order_id)
    assert book.ledger.begin_attempt(claim) is None
