"""What a claim knows of the attempts before it."""

from __future__ import annotations

from tests.contract.payments.ledger.book import AGAIN, LEASE, REFUSED, Book


def test_a_claim_knows_how_long_an_attempt_has_been_unresolved(book: Book) -> None:
    order_id = book.crashed()
    book.clock.advance(40)
    progress = book.reclaim(order_id).progress
    assert (progress.unresolved, progress.unresolved_age) == (True, 40)


def test_a_claim_knows_how_old_the_key_is_when_its_call_ends_at_the_latest(book: Book) -> None:
    order_id = book.crashed()
    book.clock.advance(40)
    claimed = LEASE + 40
    assert book.reclaim(order_id).progress.key_age == claimed + 2 * LEASE


def test_a_proof_about_a_later_attempt_leaves_the_earlier_one_unresolved(book: Book) -> None:
    order_id = book.crashed()
    attempt = book.ledger.begin_attempt(book.reclaim(order_id))
    assert attempt is not None
    book.ledger.record(attempt, REFUSED, AGAIN)
    book.clock.advance(5)
    assert book.reclaim(order_id).progress.unresolved
