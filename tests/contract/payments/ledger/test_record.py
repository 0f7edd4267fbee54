"""What an answer or a look-up makes of an attempt and of its order, also when it comes late."""

from __future__ import annotations

from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import Health, LookupAnswer, LookupResult, Outcome
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.ledger.book import AGAIN, LEASE, PAID, REFUSED, UNKNOWN, Book


def test_a_success_is_paid_with_its_charge(book: Book) -> None:
    assert book.ledger.record(book.retrying(), PAID, Decision(OrderStatus.PAID))[0] is OrderStatus.PAID
    assert (book.get().status, book.get().charge_id) == (OrderStatus.PAID, "ch_1")
    assert book.get().settled_at is not None


def test_a_failure_is_due_again_after_its_delay(book: Book) -> None:
    attempt = book.retrying()
    book.ledger.record(attempt, REFUSED, AGAIN)
    assert book.get().last_error == "ConnectError"
    book.clock.advance(4.9)
    assert book.ledger.claim(attempt.claim.order_id) is None
    book.clock.advance(0.1)
    assert book.reclaim(attempt.claim.order_id).progress.retries == 1


def test_a_declined_look_up_that_names_a_charge_is_declined(book: Book) -> None:
    claim = book.reclaim(book.crashed())
    found = LookupAnswer(LookupResult.DECLINED, Health.SUCCESS, charge_id="ch_9")
    book.ledger.record_look_up(claim, found, Decision(OrderStatus.DECLINED))
    assert (book.get().status, book.get().charge_id) == (OrderStatus.DECLINED, None)


def test_a_crash_leaves_an_unknown_outcome(book: Book) -> None:
    book.crashed()
    assert book.outcomes() == [Outcome.UNKNOWN]


def test_proven_absence_resolves_every_earlier_attempt(book: Book) -> None:
    claim = book.reclaim(book.crashed())
    proven = book.ledger.prove_absent(claim)
    assert proven is not None
    assert not proven.progress.unresolved
    assert book.outcomes() == [Outcome.FAILED]


def test_a_late_i_do_not_know_does_not_undo_a_proof(book: Book) -> None:
    attempt = book.sending()
    book.clock.advance(LEASE)
    book.dispatch_queue.reclaim_expired()
    book.ledger.prove_absent(book.reclaim(attempt.claim.order_id))
    book.ledger.record(attempt, UNKNOWN, AGAIN)
    assert book.outcomes() == [Outcome.FAILED]


def test_a_look_up_that_finds_the_charge_pays_the_order(book: Book) -> None:
    claim = book.reclaim(book.crashed())
    found = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_7")
    book.ledger.record_look_up(claim, found, Decision(OrderStatus.PAID))
    assert (book.get().status, book.get().charge_id) == (OrderStatus.PAID, "ch_7")
    assert book.outcomes() == [Outcome.SUCCEEDED]
    assert book.get().retry_count == 0


def test_a_fruitless_look_up_counts_against_the_look_ups_alone(book: Book) -> None:
    claim = book.reclaim(book.crashed())
    nothing = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code="http_503")
    book.ledger.record_look_up(claim, nothing, AGAIN)
    book.clock.advance(5)
    progress = book.reclaim(claim.order_id).progress
    assert (progress.retries, progress.lookups) == (0, 1)


class TestLateResults:
    def overtaken(self, book: Book) -> tuple[Attempt, Claim]:
        attempt = book.sending()
        book.clock.advance(LEASE)
        book.dispatch_queue.reclaim_expired()
        return attempt, book.reclaim(attempt.claim.order_id)

    def test_a_late_failure_does_not_touch_the_successors_claim(self, book: Book) -> None:
        late, _ = self.overtaken(book)
        book.ledger.record(late, REFUSED, Decision(OrderStatus.DEAD))
        assert book.get().status is OrderStatus.IN_FLIGHT

    def test_a_late_proof_of_payment_wins(self, book: Book) -> None:
        late, _ = self.overtaken(book)
        assert book.ledger.record(late, PAID, Decision(OrderStatus.PAID))[0] is OrderStatus.PAID
        assert book.get().status is OrderStatus.PAID

    def test_the_successor_sends_nothing_after_a_late_proof(self, book: Book) -> None:
        late, successor = self.overtaken(book)
        book.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert book.ledger.begin_attempt(successor) is None

    def test_the_same_charge_reported_twice_is_no_incident(self, book: Book) -> None:
        late, successor = self.overtaken(book)
        found = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
        book.ledger.record_look_up(successor, found, Decision(OrderStatus.PAID))
        book.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert book.incidents() == []

    def test_two_different_charges_are_an_incident(self, book: Book) -> None:
        late, successor = self.overtaken(book)
        found = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_2")
        book.ledger.record_look_up(successor, found, Decision(OrderStatus.PAID))
        book.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert book.incidents() == ["two_charges"]
        assert book.get().charge_id == "ch_2"
