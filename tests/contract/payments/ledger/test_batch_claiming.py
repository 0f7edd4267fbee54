"""Many orders in one transaction: each keeps what a transaction of its own would guarantee."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.decisions import Step, next_step
from breakwall.payments.gateways.base import Advice, ChargeAnswer, GatewayProfile, Health, Outcome
from breakwall.payments.ledger.batch_claiming import Exchanged, Payment, proves_payment
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.progress import progress_of
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from tests.contract.payments.ledger.book import AGAIN, LEASE, PAID, REFUSED, UNKNOWN, Book, order

MAX_ATTEMPTS = 5


def queued(book: Book, number: int) -> list[str]:
    """Sorted ids of orders that are due."""
    return sorted(book.ledger.accept_queued([order(f"cart-{n}") for n in range(number)]).new.values())


def exchange(book: Book, payments: list[Payment], order_ids: list[str]) -> Exchanged:
    return book.ledger.exchange(payments, order_ids, max_attempts=MAX_ATTEMPTS)


def begun(book: Book, number: int) -> list[Attempt]:
    return exchange(book, [], queued(book, number)).attempts


def paid(attempt: Attempt, charge_id: str | None = None) -> Payment:
    return Payment(attempt, replace(PAID, charge_id=charge_id or f"ch_{attempt.claim.order_id}"))


def statuses(book: Book, attempts: list[Attempt]) -> list[OrderStatus]:
    return [book.get(one.claim.order_id).status for one in attempts]


class TestClaims:
    def test_of_many_orders_write_their_attempts_and_their_counts_before_anything_is_sent(
        self, book: Book
    ) -> None:
        ids = queued(book, 3)
        done = exchange(book, [], ids)
        assert [one.claim.order_id for one in done.attempts] == ids
        for one in done.attempts:
            stored = book.get(one.claim.order_id)
            assert (stored.status, stored.retry_count) == (OrderStatus.IN_FLIGHT, 1)
            (row,) = list_attempts(book.database, stored.id)
            assert (row.number, row.source, row.gateway_key, row.outcome) == (
                *(1, "worker", stored.charge_key),
                None,
            )
            assert (one.claim.progress.retries, one.number) == (1, 1)

    def test_send_what_a_single_claim_would_send(self, book: Book) -> None:
        (order_id,) = queued(book, 1)
        (attempt,) = exchange(book, [], [order_id]).attempts
        book.ledger.undo_attempts([attempt], 0.0, deferred=False)
        assert attempt.claim.request == book.reclaim(order_id).request

    def test_of_a_doubled_message_find_nothing(self, book: Book) -> None:
        ids = queued(book, 2)
        assert len(exchange(book, [], [*ids, *ids]).attempts) == 2
        assert exchange(book, [], ids) == Exchanged()

    def test_leave_what_is_not_due_and_what_is_unknown(self, book: Book) -> None:
        (order_id,) = queued(book, 1)
        book.ledger.defer(order_id, 7.0)
        assert exchange(book, [], [order_id, "no-such-order"]) == Exchanged()

    def test_hold_for_a_lease_from_their_exchange(self, book: Book) -> None:
        (attempt,) = begun(book, 1)
        book.clock.advance(LEASE - 0.1)
        assert book.dispatch_queue.reclaim_expired() == []
        book.clock.advance(0.1)
        assert book.dispatch_queue.reclaim_expired() == [attempt.claim.order_id]

    def test_raise_the_fence(self, book: Book) -> None:
        (order_id,) = queued(book, 1)
        book.ledger.release(book.reclaim(order_id), 0.0)
        (attempt,) = exchange(book, [], [order_id]).attempts
        assert attempt.claim.fence == 2

    def test_of_eight_claimers_take_nothing_twice(self, book: Book) -> None:
        ids = queued(book, 40)
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda _: exchange(book, [], ids), range(8)))
        taken = [one.claim.order_id for each in done for one in each.attempts]
        assert sorted(taken) == ids

    def test_leave_an_order_that_crashed_a_process_to_be_worked_on_alone(self, book: Book) -> None:
        crashed = book.crashed("cart-9")
        done = exchange(book, [], [crashed, *queued(book, 1)])
        assert (len(done.attempts), done.others, done.crashed) == (1, [], [crashed])

    def test_count_the_budget_from_the_last_retry_of_a_person(self, book: Book) -> None:
        (order_id,) = queued(book, 1)
        set_columns(book, order_id, retry_count=9, retry_floor=5)
        (attempt,) = exchange(book, [], [order_id]).attempts
        assert attempt.claim.progress.retries == 5
        book.ledger.record(attempt, REFUSED, replace(AGAIN, delay=0.0))
        assert exchange(book, [], [order_id]).others == [order_id]


def set_columns(book: Book, order_id: str, **values: Any) -> None:
    with book.database.engine.begin() as connection:
        connection.execute(update(orders).where(orders.c.id == order_id).values(values))


def column(book: Book, order_id: str, name: str) -> Any:
    wanted = select(orders.c[name]).where(orders.c.id == order_id)
    return book.database.read(lambda connection: connection.scalar(wanted))


PROFILES = [
    GatewayProfile(deduplicates, 86_400.0, looks_up, 30.0)
    for deduplicates in (True, False)
    for looks_up in (True, False)
]


def scrambled(book: Book, rng: random.Random, number: int) -> str:
    """A due order with a history that may be anything."""
    order_id = book.queued(f"cart-{number}")
    now = book.clock.now
    written = rng.choice((0, 0, 1, 2))
    set_columns(
        book,
        order_id,
        cancel_requested=rng.random() < 0.2,
        suspected_at=now if rng.random() < 0.2 else None,
        crash_count=rng.choice((0, 0, 0, 1)),
        retry_count=rng.choice((0, 4, 5, 6)),
        retry_floor=rng.choice((0, 1)),
        attempt_count=written,
        attempt_floor=rng.choice((0, 1)),
    )
    with book.database.engine.begin() as connection:
        for place in range(written):
            outcome = rng.choice((None, *Outcome))
            row = {
                "order_id": order_id,
                "number": place + 1,
                "source": "worker",
                "fence": 0,
                "gateway_key": "k",
                "started_at": now,
                "outcome": outcome,
                "finished_at": outcome and now,
                "code": rng.choice((None, "http_422", "http_400", "http_500")),
                "advice": rng.choice((None, *Advice)),
                "spends_key": rng.choice((None, True, False)),
            }
            connection.execute(insert(attempts).values(row))
    return order_id


def test_the_plain_way_is_taken_exactly_where_the_rules_say_send_and_nothing_is_unresolved(
    book: Book,
) -> None:
    rng = random.Random(7)
    policy = RetryPolicy(max_attempts=MAX_ATTEMPTS)
    wanted, sends, ids = set(), {}, []
    for number in range(150):
        order_id = scrambled(book, rng, number)
        ids.append(order_id)
        progress = book.database.read(
            lambda connection, one=order_id: progress_of(connection, book.clock, one, lease=LEASE)
        )
        steps = {next_step(progress, profile, policy) for profile in PROFILES}
        sends[order_id] = steps == {Step.SEND}
        final = {Outcome.SUCCEEDED, Outcome.DECLINED} & set(book.outcomes(order_id))
        if (
            sends[order_id]
            and not progress.unresolved
            and not final
            and not column(book, order_id, "crash_count")
        ):
            wanted.add(order_id)
    done = exchange(book, [], ids)
    taken = {one.claim.order_id for one in done.attempts}
    assert all(sends[order_id] for order_id in taken)
    assert taken == wanted
    assert len(taken) > 10
    assert sorted([*taken, *done.others, *done.crashed]) == sorted(ids)


class TestPayments:
    def test_of_many_orders_are_recorded_as_single_ones_are(self, book: Book) -> None:
        attempts = begun(book, 3)
        done = exchange(book, [paid(one) for one in attempts], [])
        assert (len(done.paid), done.unpaid) == (3, [])
        for one in attempts:
            stored = book.get(one.claim.order_id)
            assert (stored.status, stored.charge_id) == (OrderStatus.PAID, f"ch_{stored.id}")
            assert stored.settled_at == book.clock.now
            (row,) = list_attempts(book.database, stored.id)
            assert (row.outcome, row.charge_id, row.finished_at) == (
                *(Outcome.SUCCEEDED, stored.charge_id),
                book.clock.now,
            )

    def test_and_claims_are_one_transaction(self, book: Book) -> None:
        first, second = queued(book, 2)
        (attempt,) = exchange(book, [], [first]).attempts
        done = exchange(book, [paid(attempt)], [second])
        assert [one.claim.order_id for one in done.attempts] == [second]
        assert book.get(first).status is OrderStatus.PAID

    def test_recorded_a_second_time_are_left_to_the_single_way_which_changes_nothing(
        self, book: Book
    ) -> None:
        (attempt,) = begun(book, 1)
        exchange(book, [paid(attempt)], [])
        again = exchange(book, [paid(attempt)], [])
        assert (again.paid, again.unpaid) == ([], [paid(attempt)])
        status, charge, _ = book.ledger.record(attempt, paid(attempt).answer, AGAIN)
        assert (status, charge, book.incidents()) == (OrderStatus.PAID, f"ch_{attempt.claim.order_id}", [])

    def test_by_one_charge_pay_one_order(self, book: Book) -> None:
        one, other = begun(book, 2)
        done = exchange(book, [paid(one, "ch_same"), paid(other, "ch_same")], [])
        assert len(done.paid) == len(done.unpaid) == 1
        rest = done.unpaid[0]
        assert book.ledger.record(rest.attempt, rest.answer, AGAIN)[0] is OrderStatus.REVIEW
        assert book.incidents() == ["wrong_charge"]

    def test_by_a_charge_of_an_earlier_version_are_left_to_the_single_way(self, book: Book) -> None:
        one, other = begun(book, 2)
        exchange(book, [paid(one, "ch_old")], [])
        with book.database.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM charges")
        assert exchange(book, [paid(other, "ch_old")], []).paid == []

    def test_of_a_cancelled_order_are_left_to_the_single_way(self, book: Book) -> None:
        first, second = begun(book, 2)
        book.people.cancel(first.claim.order_id)
        done = exchange(book, [paid(first), paid(second)], [])
        assert ([one.attempt for one in done.paid], [one.attempt for one in done.unpaid]) == (
            *([second], [first]),
        )
        book.ledger.record(first, paid(first).answer, AGAIN)
        assert book.incidents() == ["charged_after_cancel"]

    def test_of_an_order_that_another_process_has_locked_hold_up_no_other(self, book: Book) -> None:
        if book.database.engine.dialect.name == "sqlite":
            pytest.skip("a writer locks the whole of SQLite's file")
        first, second = begun(book, 2)
        with book.database.engine.begin() as connection:
            connection.execute(
                select(orders.c.id).where(orders.c.id == first.claim.order_id).with_for_update()
            )
            done = exchange(book, [paid(first), paid(second)], [])
        assert ([one.attempt for one in done.paid], [one.attempt for one in done.unpaid]) == (
            *([second], [first]),
        )

    def test_under_a_lost_claim_are_left_to_the_single_way(self, book: Book) -> None:
        (attempt,) = begun(book, 1)
        book.clock.advance(LEASE)
        book.dispatch_queue.reclaim_expired()
        assert exchange(book, [paid(attempt)], []).unpaid == [paid(attempt)]
        book.ledger.record(attempt, paid(attempt).answer, AGAIN)
        assert book.get(attempt.claim.order_id).status is OrderStatus.PAID

    def test_of_one_order_by_two_charges_are_an_incident_in_the_end(self, book: Book) -> None:
        (late,) = begun(book, 1)
        book.clock.advance(LEASE)
        book.dispatch_queue.reclaim_expired()
        again = book.ledger.begin_attempt(book.reclaim(late.claim.order_id))
        assert again is not None
        done = exchange(book, [paid(late, "ch_1"), paid(again, "ch_2")], [])
        assert ([one.attempt for one in done.paid], [one.attempt for one in done.unpaid]) == (
            *([again], [late]),
        )
        book.ledger.record(late, replace(PAID, charge_id="ch_1"), AGAIN)
        assert book.incidents() == ["two_charges"]


@pytest.mark.parametrize(
    "answer",
    [UNKNOWN, REFUSED, ChargeAnswer(Outcome.DECLINED, Health.SUCCESS), replace(PAID, charge_id=None)],
)
def test_only_a_named_charge_is_a_payment(answer: ChargeAnswer) -> None:
    assert not proves_payment(answer)
    assert proves_payment(PAID)


class TestAnAttemptThatIsUndone:
    def test_uses_up_nothing(self, book: Book) -> None:
        first, second = begun(book, 2)
        states = book.ledger.undo_attempts([first, second], 7.0, deferred=True)
        assert set(states.values()) == {OrderStatus.QUEUED}
        for one in (first, second):
            stored = book.get(one.claim.order_id)
            assert (stored.status, stored.retry_count, stored.deferral_count) == (
                *(OrderStatus.QUEUED, 0, 1),
            )
            assert column(book, stored.id, "attempt_count") == 0
            assert list_attempts(book.database, stored.id) == []
            assert stored.next_attempt_at is not None
            assert (stored.next_attempt_at - book.clock.now).total_seconds() == 7.0

    def test_keeps_the_attempts_before_it(self, book: Book) -> None:
        (order_id,) = queued(book, 1)
        (first,) = exchange(book, [], [order_id]).attempts
        book.ledger.record(first, REFUSED, replace(AGAIN, delay=0.0))
        (second,) = exchange(book, [], [order_id]).attempts
        book.ledger.undo_attempts([second], 0.0, deferred=False)
        assert (book.outcomes(order_id), book.get(order_id).retry_count) == ([Outcome.NOT_SENT], 1)
        (third,) = exchange(book, [], [order_id]).attempts
        assert third.number == 2

    def test_cancels_an_order_whose_cancellation_was_requested(self, book: Book) -> None:
        (attempt,) = begun(book, 1)
        book.people.cancel(attempt.claim.order_id)
        assert statuses(book, [attempt]) == [OrderStatus.IN_FLIGHT]
        book.ledger.undo_attempts([attempt], 7.0, deferred=True)
        assert statuses(book, [attempt]) == [OrderStatus.CANCELLED]

    def test_under_a_lost_claim_stays_unknown(self, book: Book) -> None:
        (attempt,) = begun(book, 1)
        book.clock.advance(LEASE)
        book.dispatch_queue.reclaim_expired()
        assert book.ledger.undo_attempts([attempt], 0.0, deferred=False) == {}
        assert book.outcomes(attempt.claim.order_id) == [Outcome.UNKNOWN]

    def test_twice_is_undone_once(self, book: Book) -> None:
        (attempt,) = begun(book, 1)
        book.ledger.undo_attempts([attempt], 0.0, deferred=True)
        assert book.ledger.undo_attempts([attempt], 0.0, deferred=True) == {}
        assert book.get(attempt.claim.order_id).deferral_count == 1


def test_many_orders_are_deferred_at_once_and_only_the_due_ones(book: Book) -> None:
    ids = queued(book, 3)
    book.ledger.defer(ids[0], 7.0)
    assert sorted(book.ledger.defer_many([*ids, "no-such-order"], 9.0)) == ids[1:]
    assert [book.get(one).deferral_count for one in ids] == [1, 1, 1]
    assert book.ledger.defer_many(ids, 9.0) == []
