"""What the producer does with an order, on SQLite and on PostgreSQL."""

from __future__ import annotations

import errno

import pytest
from sqlalchemy import delete

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.gateways.base import Advice, ChargeAnswer, ChargeRequest, Health, Outcome
from breakwall.payments.interventions import Author
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.orders import EndReason, IdempotencyConflictError, OrderStatus
from tests.contract.site import LEASE, Site, order
from tests.gateway import DECLINED, DOWN, LOST, PAID

SHORTAGES = [
    MemoryError(),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("can't start new thread"),
]


@pytest.mark.parametrize("shortage", SHORTAGES)
class TestWhileThisProcessIsOutOfAResource:
    def test_an_order_that_may_be_charged_is_accepted(self, site: Site, shortage: Exception) -> None:
        def exhaust() -> None:
            raise shortage

        site.gateway.during = exhaust
        site.gateway.answers.append(PAID)
        result = site.producer.place(order())
        assert (result.status, site.get().status) == ("in_flight", "in_flight")

    def test_a_publish_that_fails_takes_nothing_back(
        self, site: Site, shortage: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def exhaust(order_ids: list[str]) -> int:
            raise shortage

        monkeypatch.setattr(site.publisher, "publish_many", exhaust)
        monkeypatch.setattr(site.publisher, "publish_soon", exhaust)
        site.gateway.answers.append(DOWN)
        assert site.producer.place(order()).status == "queued"
        assert [result.status for result in site.producer.enqueue([order("cart-2")])] == ["queued"]

    def test_before_it_is_accepted_the_caller_gets_an_error(
        self, site: Site, shortage: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def exhaust() -> None:
            raise shortage

        monkeypatch.setattr(site.producer._breaker, "acquire", exhaust)
        with pytest.raises(DatabaseUnavailableError, match="same idempotency key, is safe") as caught:
            site.producer.place(order())
        assert caught.value.lack


class TestWhenTheAnswerCannotBeRecorded:
    """A charge may have been made: so no error may say that nothing happened."""

    @pytest.mark.parametrize("answer", [PAID, DOWN, DECLINED])
    def test_since_the_order_is_gone_it_is_accepted(self, site: Site, answer: ChargeAnswer) -> None:
        """As after a failover to a replica that lags behind, or where the file was put back from a backup."""

        def lose() -> None:
            for table in (attempts, orders):
                site.database.write(lambda connection, gone=table: connection.execute(delete(gone)))

        site.gateway.during = lose
        site.gateway.answers.append(answer)
        assert site.producer.place(order()).status == "in_flight"

    def test_for_an_unexpected_reason_it_is_accepted(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise KeyError("a bug")

        monkeypatch.setattr(site.ledger, "record", fail)
        site.gateway.answers.append(PAID)
        assert site.producer.place(order()).status == "in_flight"

    def test_for_an_unexpected_reason_after_the_commit_it_is_to_be_placed_again(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise KeyError("a bug")

        monkeypatch.setattr(site.producer._charger, "on_recorded", fail)
        site.gateway.answers.append(PAID)
        with pytest.raises(DatabaseUnavailableError, match="place it again"):
            site.producer.place(order())
        assert site.producer.place(order()).status == "paid"

    def test_a_publisher_that_raises_takes_nothing_back(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(order_ids: list[str]) -> int:
            raise KeyError("a bug")

        monkeypatch.setattr(site.publisher, "publish_soon", fail)
        site.gateway.answers.append(DOWN)
        assert site.producer.place(order()).status == "queued"


class TestWhileTheServiceAnswers:
    def test_an_order_is_charged_at_once(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        result = site.producer.place(order())
        assert (result.status, result.charge_id) == ("paid", "ch_1")
        assert (site.get().status, site.get().retry_count) == (OrderStatus.PAID, 0)

    def test_what_is_charged_is_what_was_ordered(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        result = site.producer.place(order())
        sent = site.gateway.charged[0]
        assert sent == ChargeRequest(
            result.order_id, "u1", 10_000, "KRW", derive_charge_key(result.order_id), "cart-1"
        )

    def test_the_attempt_is_written_before_it_is_sent(self, site: Site) -> None:
        seen: list[list[Outcome | None]] = []
        site.gateway.answers.append(PAID)
        site.gateway.during = lambda: seen.append(site.outcomes())
        site.producer.place(order())
        assert seen == [[None]]

    def test_a_paid_order_is_not_published(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        assert site.publisher.published == []

    def test_a_decline_is_final_and_no_failure_of_the_service(self, site: Site) -> None:
        site.gateway.answers.extend([DECLINED] * 5)
        statuses = [site.producer.place(order(f"cart-{n}")).status for n in range(5)]
        assert statuses == ["declined"] * 5
        assert site.breaker.status().retry_after == 0

    @pytest.mark.parametrize("answer", [DOWN, LOST])
    def test_a_call_that_fails_is_queued_and_published(self, site: Site, answer: object) -> None:
        site.gateway.answers.append(answer)  # type: ignore[arg-type]
        result = site.producer.place(order())
        assert result.status == "queued"
        assert site.publisher.published == [result.order_id]

    def test_the_same_order_again_is_not_charged_again(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        first = site.producer.place(order())
        again = site.producer.place(order())
        assert (again.order_id, again.status, again.charge_id, again.replayed) == (
            first.order_id,
            "paid",
            "ch_1",
            True,
        )
        assert len(site.gateway.charged) == 1

    def test_a_key_of_another_order_is_refused_before_anything_is_charged(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        with pytest.raises(IdempotencyConflictError):
            site.producer.place(order(amount=1))
        assert len(site.gateway.charged) == 1


class TestWhileTheCircuitIsOpen:
    def test_an_order_is_queued_without_a_call(self, site: Site) -> None:
        site.open_circuit()
        result = site.producer.place(order())
        assert result.status == "queued"
        assert site.gateway.charged == []

    def test_an_order_is_not_published_before_it_is_due(self, site: Site) -> None:
        site.open_circuit()
        site.producer.place(order())
        assert site.publisher.published == []

    def test_it_is_due_when_the_circuit_may_let_it_through(self, site: Site) -> None:
        site.open_circuit()
        site.producer.place(order())
        due = site.get().next_attempt_at
        assert due is not None
        assert (due - site.clock.now).total_seconds() == pytest.approx(30.0, abs=0.01)

    def test_a_refusal_is_a_deferral_and_no_retry(self, site: Site) -> None:
        site.open_circuit()
        site.producer.place(order())
        assert (site.get().deferral_count, site.get().retry_count) == (1, 0)

    def test_the_same_order_again_is_the_same_order(self, site: Site) -> None:
        site.open_circuit()
        first = site.producer.place(order())
        again = site.producer.place(order())
        assert (again.order_id, again.status, again.replayed) == (first.order_id, "queued", True)

    def test_the_calls_failures_open_the_circuit(self, site: Site) -> None:
        site.gateway.answers.extend([DOWN] * 3)
        for n in range(5):
            site.producer.place(order(f"cart-{n}"))
        assert len(site.gateway.charged) == 3


class TestEnqueue:
    def test_orders_go_straight_to_the_queue_in_their_order(self, site: Site) -> None:
        results = site.producer.enqueue(order(f"cart-{n}") for n in range(1200))
        assert [result.status for result in results] == ["queued"] * 1200
        assert site.publisher.published == [result.order_id for result in results]
        assert site.gateway.charged == []

    def test_known_orders_are_replayed_and_not_published_again(self, site: Site) -> None:
        first = site.producer.enqueue([order("cart-1")])
        again = site.producer.enqueue([order("cart-1"), order("cart-2")])
        assert [result.replayed for result in again] == [True, False]
        assert again[0].order_id == first[0].order_id
        assert len(site.publisher.published) == 2

    def test_a_conflict_accepts_nothing_of_its_batch(self, site: Site) -> None:
        site.producer.enqueue([order("cart-1")])
        with pytest.raises(IdempotencyConflictError):
            site.producer.enqueue([order("cart-2"), order("cart-1", amount=1)])
        assert len(site.publisher.published) == 1


class TestWhileTheDatabaseIsDown:
    def test_nothing_is_accepted_nothing_is_charged_and_the_error_says_so(self, site: Site) -> None:
        site.ledger.database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
        with pytest.raises(DatabaseUnavailableError, match="nothing was changed"):
            site.producer.place(order())
        assert site.gateway.charged == []

    def test_it_does_not_count_as_a_failure_of_the_payment_service(self, site: Site) -> None:
        site.ledger.database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
        for _ in range(5):
            with pytest.raises(DatabaseUnavailableError):
                site.producer.place(order())
        assert site.breaker.status().retry_after == 0

    def test_an_answer_that_cannot_be_recorded_leaves_an_order_that_is_finished_later(
        self, site: Site
    ) -> None:
        alive = site.ledger.database

        def lose_the_database() -> None:
            site.ledger.database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")

        site.gateway.answers.append(PAID)
        site.gateway.during = lose_the_database
        result = site.producer.place(order())
        assert result.status == "in_flight"
        site.ledger.database = alive
        site.advance(LEASE)
        assert site.dispatch_queue.reclaim_expired() == [result.order_id]
        assert site.outcomes() == [Outcome.UNKNOWN]


class TestWaitFor:
    def test_returns_the_order_when_it_has_ended(self, site: Site) -> None:
        site.gateway.answers += [DOWN, PAID]
        order_id = site.producer.place(order()).order_id
        slept: list[float] = []

        def work(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                site.advance(60.0)
                site.retrier.run(order_id)

        site.producer._sleep = work
        assert site.producer.wait_for("cart-1", 60.0).status == "paid"
        assert len(slept) == 3

    def test_returns_an_order_that_has_ended_at_once(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        site.producer._sleep = lambda seconds: pytest.fail("it waits")
        assert site.producer.wait_for(site.get().id, 60.0).status == "paid"

    def test_returns_it_as_it_is_when_the_time_is_over(self, site: Site) -> None:
        site.gateway.answers.append(DOWN)
        site.producer.place(order())
        assert site.producer.wait_for("cart-1", 0.0) == site.get()

    def test_raises_what_get_raises(self, site: Site) -> None:
        with pytest.raises(OrderNotFoundError):
            site.producer.wait_for("cart-1", 60.0)

    def test_refuses_what_is_no_time(self, site: Site) -> None:
        with pytest.raises(ValueError, match="timeout should be a number of seconds"):
            site.producer.wait_for("cart-1", -1.0)


ANNA = Author("anna")
REFUSED = ChargeAnswer(Outcome.FAILED, Health.SUCCESS, code="amount_too_small", advice=Advice.STOP)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(PAID, None), (DECLINED, "card_declined"), (REFUSED, EndReason.REFUSED), (DOWN, None)],
)
def test_the_caller_is_told_why_its_order_ended_and_again_when_it_is_placed_again(
    site: Site, answer: ChargeAnswer, reason: str | None
) -> None:
    site.gateway.answers.append(answer)
    assert [site.producer.place(order()).reason for _ in range(2)] == [reason, reason]
    assert site.get().reason == reason


def test_an_order_that_is_cancelled_while_it_is_charged_ends_because_somebody_wanted_it(site: Site) -> None:
    site.gateway.during = lambda: site.people.cancel("cart-1", ANNA)
    site.gateway.answers.append(DOWN)
    result = site.producer.place(order())
    assert (result.status, result.reason) == ("cancelled", EndReason.REQUESTED)
