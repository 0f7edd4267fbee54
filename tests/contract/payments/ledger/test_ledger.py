"""The ledger's promises, the same on SQLite and on PostgreSQL. Time is a clock turned by hand."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from breakwall.payments.db.clock import ManualClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import incidents
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Answer, Health, LookUpAnswer, LookUpResult, Outcome
from breakwall.payments.ledger.claims import Attempt, Claim
from breakwall.payments.ledger.dispatch_queue import DueOrders
from breakwall.payments.ledger.ledger import PUBLISH_GRACE, Ledger
from breakwall.payments.ledger.queries import OrderNotFoundError, get_order, list_attempts, list_orders
from breakwall.payments.operator.retry_and_cancel import Interventions, RefusedError
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus, StoredOrder

LEASE = 15.0
PAID = Answer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
UNKNOWN = Answer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout")
REFUSED = Answer(Outcome.NOT_SENT, Health.FAILURE, code="ConnectError")
AGAIN = Verdict(OrderStatus.QUEUED, 5.0)


def order(key: str = "cart-1", amount: int = 10_000) -> Order:
    return Order(user_id="u1", amount=amount, currency="KRW", idempotency_key=key)


class Book:
    """The ledger and its neighbours over one database, with shorthand for what most tests do first."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        self.clock = ManualClock()
        self.ledger = Ledger(self.database, lease=LEASE, clock=self.clock)
        self.due = DueOrders(self.database, clock=self.clock)
        self.people = Interventions(self.database, clock=self.clock)

    def queued(self, key: str = "cart-1") -> str:
        return self.ledger.accept_queued([order(key)]).new[key]

    def sending(self, key: str = "cart-1") -> Attempt:
        attempt = self.ledger.accept_sending(order(key))
        assert isinstance(attempt, Attempt)
        return attempt

    def claimed(self, key: str = "cart-1") -> Claim:
        claim = self.ledger.claim(self.queued(key))
        assert claim is not None
        return claim

    def retrying(self, key: str = "cart-1") -> Attempt:
        attempt = self.ledger.begin_attempt(self.claimed(key))
        assert attempt is not None
        return attempt

    def crashed(self, key: str = "cart-1") -> str:
        attempt = self.sending(key)
        self.clock.advance(LEASE)
        assert self.due.reclaim_expired() == [attempt.claim.order_id]
        return attempt.claim.order_id

    def reclaim(self, order_id: str) -> Claim:
        claim = self.ledger.claim(order_id)
        assert claim is not None
        return claim

    def get(self, name: str = "cart-1") -> StoredOrder:
        return get_order(self.database, name)

    def outcomes(self, name: str = "cart-1") -> list[Outcome | None]:
        return [attempt.outcome for attempt in list_attempts(self.database, self.get(name).id)]

    def incidents(self) -> list[str]:
        return self.database.read(lambda connection: list(connection.scalars(select(incidents.c.kind))))


@pytest.fixture
def book(migrated_url: str) -> Iterator[Book]:
    book = Book(migrated_url)
    yield book
    book.database.close()


class TestAccepting:
    def test_an_order_that_is_charged_now_is_claimed_and_its_attempt_written(self, book: Book) -> None:
        book.sending()
        assert book.get().status is OrderStatus.IN_FLIGHT
        assert book.outcomes() == [None]
        assert book.get().retry_count == 0

    def test_amount_currency_and_user_are_kept_as_they_came(self, book: Book) -> None:
        book.sending()
        stored = book.get()
        assert (stored.user_id, stored.amount, stored.currency) == ("u1", 10_000, "KRW")

    def test_the_same_order_again_is_the_first_one(self, book: Book) -> None:
        first = book.sending()
        again = book.ledger.accept_sending(order())
        assert isinstance(again, StoredOrder)
        assert again.id == first.claim.order_id
        assert len(list_orders(book.database)) == 1

    def test_a_key_of_another_order_is_refused_and_changes_nothing(self, book: Book) -> None:
        book.sending()
        with pytest.raises(IdempotencyConflictError, match="another amount"):
            book.ledger.accept_sending(order(amount=1))
        assert book.get().amount == 10_000

    def test_a_batch_with_a_conflict_is_refused_whole(self, book: Book) -> None:
        book.queued("cart-1")
        with pytest.raises(IdempotencyConflictError):
            book.ledger.accept_queued([order("cart-2"), order("cart-1", amount=1)])
        assert [stored.idempotency_key for stored in list_orders(book.database)] == ["cart-1"]

    def test_a_batch_tells_new_orders_from_known_ones(self, book: Book) -> None:
        known = book.queued("cart-1")
        accepted = book.ledger.accept_queued([order("cart-1"), order("cart-2"), order("cart-2")])
        assert list(accepted.new) == ["cart-2"]
        assert accepted.known["cart-1"].id == known

    def test_a_refused_order_is_due_when_the_breaker_said_so(self, book: Book) -> None:
        order_id = book.ledger.accept_queued([order()], delay=30.0, deferrals=1).new["cart-1"]
        assert book.get().deferral_count == 1
        book.clock.advance(29.9)
        assert book.ledger.claim(order_id) is None
        book.clock.advance(0.1)
        assert book.ledger.claim(order_id) is not None

    def test_one_hundred_threads_with_one_key_store_one_order(self, book: Book) -> None:
        with ThreadPoolExecutor(20) as threads:
            results = list(threads.map(lambda _: book.ledger.accept_sending(order()), range(100)))
        assert sum(isinstance(result, Attempt) for result in results) == 1
        assert len(list_orders(book.database)) == 1


class TestClaiming:
    def test_a_doubled_message_finds_nothing_to_claim(self, book: Book) -> None:
        claim = book.claimed()
        assert book.ledger.claim(claim.order_id) is None

    def test_each_claim_raises_the_fence(self, book: Book) -> None:
        claim = book.claimed()
        assert book.ledger.release(claim, 0.0)
        assert book.reclaim(claim.order_id).fence == claim.fence + 1

    def test_an_unknown_order_is_nothing_to_claim(self, book: Book) -> None:
        assert book.ledger.claim("no-such-order") is None

    def test_eight_claimers_claim_nothing_twice(self, book: Book) -> None:
        ids = list(book.ledger.accept_queued([order(f"cart-{n}") for n in range(50)]).new.values())
        with ThreadPoolExecutor(8) as threads:
            claims = list(threads.map(book.ledger.claim, [one for one in ids for _ in range(8)]))
        assert sum(claim is not None for claim in claims) == 50

    def test_a_released_claim_uses_up_no_attempt(self, book: Book) -> None:
        claim = book.claimed()
        book.ledger.release(claim, 7.0)
        stored = book.get()
        assert (stored.status, stored.retry_count, stored.deferral_count) == (OrderStatus.QUEUED, 0, 1)

    def test_a_released_claim_cancels_an_order_of_which_nothing_may_have_been_charged(
        self, book: Book
    ) -> None:
        claim = book.claimed()
        book.people.cancel("cart-1")
        assert book.ledger.release(claim, 7.0) is OrderStatus.CANCELLED

    def test_a_released_claim_cancels_no_order_that_may_have_been_charged(self, book: Book) -> None:
        """ "Cancelled" says that nothing was charged, and nobody would look it up any more."""
        claim = book.reclaim(book.crashed())
        book.people.cancel("cart-1")
        assert book.ledger.release(claim, 7.0) is OrderStatus.QUEUED
        assert (book.get().status, book.get().cancel_requested) == (OrderStatus.QUEUED, True)
        assert book.get().next_attempt_at is not None

    def test_a_deferral_without_a_claim_uses_up_no_attempt(self, book: Book) -> None:
        order_id = book.queued()
        assert book.ledger.defer(order_id, 7.0)
        assert (book.get().retry_count, book.get().deferral_count) == (0, 1)

    def test_an_early_message_defers_nothing(self, book: Book) -> None:
        order_id = book.queued()
        book.ledger.defer(order_id, 7.0)
        assert not book.ledger.defer(order_id, 7.0)
        assert book.get().deferral_count == 1


class TestAttempts:
    def test_retry_count_and_the_attempt_are_written_before_the_call(self, book: Book) -> None:
        book.retrying()
        assert book.get().retry_count == 1
        assert book.outcomes() == [None]

    def test_an_attempt_starts_the_lease_anew(self, book: Book) -> None:
        claim = book.claimed()
        book.clock.advance(LEASE - 1)
        assert book.ledger.begin_attempt(claim) is not None
        book.clock.advance(LEASE - 1)
        assert book.due.reclaim_expired() == []

    def test_nothing_is_sent_under_a_lease_that_ran_out(self, book: Book) -> None:
        claim = book.claimed()
        book.clock.advance(LEASE)
        assert book.ledger.begin_attempt(claim) is None
        assert book.get().retry_count == 0

    def test_nothing_is_sent_under_a_fence_that_was_overtaken(self, book: Book) -> None:
        claim = book.claimed()
        book.clock.advance(LEASE)
        book.due.reclaim_expired()
        book.reclaim(claim.order_id)
        assert book.ledger.begin_attempt(claim) is None

    def test_a_success_is_paid_with_its_charge(self, book: Book) -> None:
        assert book.ledger.record(book.retrying(), PAID, Verdict(OrderStatus.PAID)) is OrderStatus.PAID
        assert (book.get().status, book.get().charge_id) == (OrderStatus.PAID, "ch_1")
        assert book.get().settled_at is not None

    def test_a_failure_is_due_again_after_its_delay(self, book: Book) -> None:
        attempt = book.retrying()
        book.ledger.record(attempt, REFUSED, AGAIN)
        assert book.get().last_error == "ConnectError"
        book.clock.advance(4.9)
        assert book.ledger.claim(attempt.claim.order_id) is None
        book.clock.advance(0.1)
        assert book.reclaim(attempt.claim.order_id).progress.retries == 1

    def test_a_declined_look_up_that_names_a_charge_is_declined(self, book: Book) -> None:
        claim = book.reclaim(book.crashed())
        found = LookUpAnswer(LookUpResult.DECLINED, Health.SUCCESS, charge_id="ch_9")
        book.ledger.record_look_up(claim, found, Verdict(OrderStatus.DECLINED), fruitless=False)
        assert (book.get().status, book.get().charge_id) == (OrderStatus.DECLINED, None)


class TestUnsettledAttempts:
    def test_a_crash_leaves_an_unknown_outcome(self, book: Book) -> None:
        book.crashed()
        assert book.outcomes() == [Outcome.UNKNOWN]

    def test_a_claim_knows_how_long_an_attempt_has_been_unsettled(self, book: Book) -> None:
        order_id = book.crashed()
        book.clock.advance(40)
        progress = book.reclaim(order_id).progress
        assert (progress.unsettled, progress.unsettled_age) == (True, 40)

    def test_a_claim_knows_how_old_the_key_is_when_its_call_ends_at_the_latest(self, book: Book) -> None:
        order_id = book.crashed()
        book.clock.advance(40)
        claimed = LEASE + 40
        assert book.reclaim(order_id).progress.key_age == claimed + 2 * LEASE

    def test_a_proof_about_a_later_attempt_leaves_the_earlier_one_unsettled(self, book: Book) -> None:
        order_id = book.crashed()
        attempt = book.ledger.begin_attempt(book.reclaim(order_id))
        assert attempt is not None
        book.ledger.record(attempt, REFUSED, AGAIN)
        book.clock.advance(5)
        assert book.reclaim(order_id).progress.unsettled

    def test_proven_absence_settles_every_earlier_attempt(self, book: Book) -> None:
        claim = book.reclaim(book.crashed())
        proven = book.ledger.prove_absent(claim)
        assert proven is not None
        assert not proven.progress.unsettled
        assert book.outcomes() == [Outcome.FAILED]

    def test_a_late_i_do_not_know_does_not_undo_a_proof(self, book: Book) -> None:
        attempt = book.sending()
        book.clock.advance(LEASE)
        book.due.reclaim_expired()
        book.ledger.prove_absent(book.reclaim(attempt.claim.order_id))
        book.ledger.record(attempt, UNKNOWN, AGAIN)
        assert book.outcomes() == [Outcome.FAILED]

    def test_a_look_up_that_finds_the_charge_pays_the_order(self, book: Book) -> None:
        claim = book.reclaim(book.crashed())
        found = LookUpAnswer(LookUpResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_7")
        book.ledger.record_look_up(claim, found, Verdict(OrderStatus.PAID), fruitless=False)
        assert (book.get().status, book.get().charge_id) == (OrderStatus.PAID, "ch_7")
        assert book.outcomes() == [Outcome.SUCCEEDED]
        assert book.get().retry_count == 0

    def test_a_fruitless_look_up_counts_against_the_look_ups_alone(self, book: Book) -> None:
        claim = book.reclaim(book.crashed())
        nothing = LookUpAnswer(LookUpResult.UNAVAILABLE, Health.FAILURE, code="http_503")
        book.ledger.record_look_up(claim, nothing, AGAIN, fruitless=True)
        book.clock.advance(5)
        progress = book.reclaim(claim.order_id).progress
        assert (progress.retries, progress.look_ups) == (0, 1)


class TestLateResults:
    def overtaken(self, book: Book) -> tuple[Attempt, Claim]:
        attempt = book.sending()
        book.clock.advance(LEASE)
        book.due.reclaim_expired()
        return attempt, book.reclaim(attempt.claim.order_id)

    def test_a_late_failure_does_not_touch_the_successors_claim(self, book: Book) -> None:
        late, _ = self.overtaken(book)
        book.ledger.record(late, REFUSED, Verdict(OrderStatus.DEAD))
        assert book.get().status is OrderStatus.IN_FLIGHT

    def test_a_late_proof_of_payment_wins(self, book: Book) -> None:
        late, _ = self.overtaken(book)
        assert book.ledger.record(late, PAID, Verdict(OrderStatus.PAID)) is OrderStatus.PAID
        assert book.get().status is OrderStatus.PAID

    def test_the_successor_sends_nothing_after_a_late_proof(self, book: Book) -> None:
        late, successor = self.overtaken(book)
        book.ledger.record(late, PAID, Verdict(OrderStatus.PAID))
        assert book.ledger.begin_attempt(successor) is None

    def test_the_same_charge_reported_twice_is_no_incident(self, book: Book) -> None:
        late, successor = self.overtaken(book)
        found = LookUpAnswer(LookUpResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
        book.ledger.record_look_up(successor, found, Verdict(OrderStatus.PAID), fruitless=False)
        book.ledger.record(late, PAID, Verdict(OrderStatus.PAID))
        assert book.incidents() == []

    def test_two_different_charges_are_an_incident(self, book: Book) -> None:
        late, successor = self.overtaken(book)
        found = LookUpAnswer(LookUpResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_2")
        book.ledger.record_look_up(successor, found, Verdict(OrderStatus.PAID), fruitless=False)
        book.ledger.record(late, PAID, Verdict(OrderStatus.PAID))
        assert book.incidents() == ["two_charges"]
        assert book.get().charge_id == "ch_2"


class TestDispatching:
    def test_a_new_order_is_left_to_its_producer_for_a_moment(self, book: Book) -> None:
        order_id = book.queued()
        assert book.due.take_due(10, republish_after=60) == []
        book.clock.advance(PUBLISH_GRACE)
        assert book.due.take_due(10, republish_after=60) == [order_id]

    def test_an_order_that_waits_for_the_circuit_is_the_dispatchers_from_the_moment_it_is_due(
        self, book: Book
    ) -> None:
        book.ledger.accept_queued([order()], delay=2.0, deferrals=1)
        book.clock.advance(1.9)
        assert book.due.take_due(10, republish_after=60) == []
        book.clock.advance(0.1)
        assert len(book.due.take_due(10, republish_after=60)) == 1

    def test_a_published_order_is_left_alone_until_its_message_is_taken_for_lost(self, book: Book) -> None:
        order_id = book.queued()
        book.clock.advance(PUBLISH_GRACE)
        book.due.take_due(10, republish_after=60)
        book.clock.advance(59)
        assert book.due.take_due(10, republish_after=60) == []
        book.clock.advance(1)
        assert book.due.take_due(10, republish_after=60) == [order_id]

    def test_what_could_not_be_published_is_due_again_at_once(self, book: Book) -> None:
        order_id = book.queued()
        book.clock.advance(PUBLISH_GRACE)
        book.due.give_back_due(book.due.take_due(10, republish_after=60))
        assert book.due.take_due(10, republish_after=60) == [order_id]

    def test_the_longest_due_go_first(self, book: Book) -> None:
        for delay in (30.0, 20.0, 40.0):
            book.ledger.accept_queued([order(f"cart-{delay}")], delay=delay)
        book.clock.advance(60)
        keys = [book.get(order_id).idempotency_key for order_id in book.due.take_due(2, republish_after=60)]
        assert keys == ["cart-20.0", "cart-30.0"]

    def test_four_dispatchers_choose_different_orders(self, book: Book) -> None:
        book.ledger.accept_queued([order(f"cart-{n}") for n in range(100)])
        book.clock.advance(PUBLISH_GRACE)
        with ThreadPoolExecutor(4) as threads:
            taken = list(threads.map(lambda _: book.due.take_due(25, republish_after=60), range(8)))
        chosen = [order_id for batch in taken for order_id in batch]
        assert len(chosen) == len(set(chosen)) == 100

    def test_a_running_claim_is_not_taken_back(self, book: Book) -> None:
        book.sending()
        book.clock.advance(LEASE - 0.1)
        assert book.due.reclaim_expired() == []

    def test_an_order_whose_claim_ran_out_three_times_goes_to_review(self, book: Book) -> None:
        order_id = book.crashed()
        for _ in range(2):
            assert book.get().status is OrderStatus.QUEUED
            book.reclaim(order_id)
            book.clock.advance(LEASE)
            book.due.reclaim_expired()
        assert book.get().status is OrderStatus.REVIEW


class TestPeople:
    def test_a_retried_order_is_due_at_once_with_a_new_budget(self, book: Book) -> None:
        attempt = book.retrying()
        book.ledger.record(attempt, REFUSED, Verdict(OrderStatus.DEAD))
        assert book.people.retry("cart-1").status is OrderStatus.QUEUED
        claim = book.reclaim(attempt.claim.order_id)
        assert claim.progress.retries == 0
        assert book.get().retry_count == 1

    @pytest.mark.parametrize("status", [OrderStatus.PAID, OrderStatus.DECLINED])
    def test_a_settled_order_cannot_be_retried(self, book: Book, status: OrderStatus) -> None:
        answer = PAID if status is OrderStatus.PAID else Answer(Outcome.DECLINED, Health.SUCCESS)
        book.ledger.record(book.retrying(), answer, Verdict(status))
        with pytest.raises(RefusedError, match=status.value):
            book.people.retry("cart-1")

    def test_a_queued_order_that_cannot_have_been_charged_is_cancelled_at_once(self, book: Book) -> None:
        order_id = book.queued()
        assert book.people.cancel("cart-1").status is OrderStatus.CANCELLED
        assert book.ledger.claim(order_id) is None

    def test_an_order_that_may_have_been_charged_is_cancelled_only_after_proof(self, book: Book) -> None:
        order_id = book.crashed()
        cancelled = book.people.cancel("cart-1")
        assert (cancelled.status, cancelled.cancel_requested) == (OrderStatus.QUEUED, True)
        assert book.reclaim(order_id).progress.cancel_requested

    def test_a_charge_after_a_cancellation_is_one_to_refund(self, book: Book) -> None:
        attempt = book.sending()
        book.people.cancel("cart-1")
        book.ledger.record(attempt, PAID, Verdict(OrderStatus.PAID))
        assert book.get().status is OrderStatus.PAID
        assert book.incidents() == ["charged_after_cancel"]

    def test_an_unknown_order_is_not_found(self, book: Book) -> None:
        with pytest.raises(OrderNotFoundError):
            book.people.retry("cart-404")
