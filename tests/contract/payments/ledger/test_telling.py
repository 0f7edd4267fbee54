"""Each end of an order is told once: `place` returns it, or an outcome is written in the transaction that ends it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from breakwall.payments.db.outcome_trigger import create_trigger
from breakwall.payments.db.revisions import BEFORE, current_revision
from breakwall.payments.db.schema import outcomes
from breakwall.payments.decisions import after_attempt, after_look_up
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.batch_claiming import Payment
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.downgrade import downgrade
from breakwall.payments.operator.suspect import Suspicion
from breakwall.payments.orders import EndReason, OrderStatus, StoredOrder
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.payments.verification import contradicted, verified
from breakwall.worker.retry import _REASONS
from tests.contract import bulk
from tests.contract.payments.ledger.book import LEASE, PAID, UNKNOWN, Book, order
from tests.gateway import DECLINED, DOWN, FOUND, KEYED
from tests.source_tree import product_modules

ANNA = Author("anna", "she has asked the payment service")
DAY = 86_400.0
LAST_ONE = RetryPolicy(max_attempts=1)
NO_LOOK_UP = replace(KEYED, looks_up=False)
STOP = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_400", advice=Advice.STOP)
UNCERTAIN_STOP = replace(STOP, outcome=Outcome.UNKNOWN)
OTHER_PAYLOAD = ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, code="http_422", advice=Advice.REVIEW)
NOTHING = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code="http_503")


class Waiting:
    """A caller of `place` who waits, until it ``left``; or ``leaves`` just before the commit."""

    def __init__(self, *, left: bool = False, leaves: bool = False) -> None:
        self.left, self.leaves = left, leaves
        self.is_told = False

    def begin_telling(self) -> bool:
        self.is_told = not self.left
        return self.is_told

    def confirm_telling(self) -> bool:
        return not self.leaves

    def stop_telling(self) -> None:
        self.is_told = False


@dataclass(frozen=True)
class Written:
    """An outcome as it is written, without its number."""

    status: str
    reason: str | None
    charge_id: str | None
    retry_count: int


def written(book: Book, name: str = "cart-1") -> list[Written]:
    """The outcomes of an order, in the order of their ends. Each has the time of its end."""
    order_id = book.get(name).id
    rows = book.database.read(
        lambda connection: connection.execute(
            select(outcomes).where(outcomes.c.order_id == order_id).order_by(outcomes.c.id)
        ).all()
    )
    return [Written(row.status, row.reason, row.charge_id, row.retry_count) for row in rows]


def record(
    book: Book,
    attempt: Attempt,
    answer: ChargeAnswer,
    *,
    profile: GatewayProfile = KEYED,
    caller: Waiting | None = None,
) -> OrderStatus:
    """Record an answer as the rules say. There is only one attempt."""
    decision = after_attempt(answer, attempt.claim.progress, profile, LAST_ONE, 0.0)
    return book.ledger.record(attempt, answer, decision, caller=caller)[0]


def unresolved(book: Book) -> Claim:
    """A claim on an order that may have been charged."""
    attempt = book.retrying()
    record(book, attempt, UNKNOWN)
    book.clock.advance(60.0)
    return book.reclaim(attempt.claim.order_id)


def look_up(book: Book, answer: LookupAnswer) -> None:
    claim = unresolved(book)
    trusted = verified(answer, claim.request)
    decision = after_look_up(trusted, claim.progress, KEYED, LAST_ONE, 0.0)
    assert decision is not None
    book.ledger.record_look_up(claim, trusted, decision)


def close(book: Book, status: OrderStatus, reason: EndReason | None = None) -> None:
    book.ledger.close_claim(book.claimed(), status, "That is why.", reason)


def cancelled_meanwhile(book: Book) -> Attempt:
    attempt = book.retrying()
    book.people.cancel(attempt.claim.order_id)
    return attempt


def crash(book: Book, times: int) -> None:
    claim = book.claimed()
    for time in range(times):
        book.clock.advance(LEASE)
        book.dispatch_queue.reclaim_expired()
        if time < times - 1:
            book.reclaim(claim.order_id)


def overtaken(book: Book) -> Attempt:
    """An attempt whose claim has expired."""
    attempt = book.retrying()
    book.clock.advance(LEASE)
    book.dispatch_queue.reclaim_expired()
    return attempt


def exchanged(book: Book) -> Attempt:
    (attempt,) = book.ledger.exchange([], [book.queued()], max_attempts=5).attempts
    return attempt


def pay_in_a_batch(book: Book) -> None:
    attempt = exchanged(book)
    assert book.ledger.exchange([Payment(attempt, PAID)], [], max_attempts=5).paid


def undo_a_cancelled_one(book: Book) -> None:
    attempt = exchanged(book)
    book.people.cancel(attempt.claim.order_id)
    book.ledger.undo_attempts([attempt], 0.0, deferred=False)


def release_a_cancelled_one(book: Book) -> None:
    claim = book.claimed()
    book.people.cancel(claim.order_id)
    book.ledger.release(claim, 0.0)


def resolve_a_cancelled_one(book: Book) -> None:
    attempt = cancelled_meanwhile(book)
    record(book, attempt, OTHER_PAYLOAD)
    book.people.resolve_not_charged(attempt.claim.order_id, ANNA)


def late(book: Book, answer: ChargeAnswer) -> None:
    attempt = overtaken(book)
    record(book, attempt, verified(answer, attempt.claim.request))


def late_decline(book: Book) -> None:
    """It comes while the order waits, and the next claim ends it."""
    attempt = overtaken(book)
    record(book, attempt, DECLINED)
    claim = book.reclaim(attempt.claim.order_id)
    status, reason, error = next(ends for ends in _REASONS.values() if ends[0] is OrderStatus.DECLINED)
    book.ledger.close_claim(claim, status, error, reason)


def wrong(book: Book, attempt: Attempt) -> None:
    record(book, attempt, contradicted(PAID, "it is said to be of another order"))


PAID_NOW = Written("paid", None, "ch_1", 1)
IN_REVIEW = Written("review", "unknown", None, 1)

WAYS: dict[str, tuple[Callable[[Book], object], list[Written]]] = {
    "an answer: paid": (lambda book: record(book, book.retrying(), PAID), [PAID_NOW]),
    "an answer: declined": (
        lambda book: record(book, book.retrying(), DECLINED),
        [Written("declined", "card_declined", None, 1)],
    ),
    "an answer: declined for a reason that is no word": (
        lambda book: record(book, book.retrying(), replace(DECLINED, code="4242 4242 4242 4242")),
        [Written("declined", "declined", None, 1)],
    ),
    "an answer: refused": (
        lambda book: record(book, book.retrying(), STOP),
        [Written("dead", "refused", None, 1)],
    ),
    "an answer: refused, and nobody can look it up": (
        lambda book: record(book, book.retrying(), UNCERTAIN_STOP, profile=NO_LOOK_UP),
        [IN_REVIEW],
    ),
    "an answer: the last attempt failed": (
        lambda book: record(book, book.retrying(), DOWN),
        [Written("dead", "exhausted", None, 1)],
    ),
    "an answer: another payload": (
        lambda book: record(book, book.retrying(), OTHER_PAYLOAD),
        [Written("review", "key_conflict", None, 1)],
    ),
    "an answer: another order's charge": (
        lambda book: wrong(book, book.retrying()),
        [Written("review", "wrong_charge", None, 1)],
    ),
    "an answer: cancelled meanwhile": (
        lambda book: record(book, cancelled_meanwhile(book), DOWN),
        [Written("cancelled", "requested", None, 1)],
    ),
    "a late answer: paid": (lambda book: late(book, PAID), [PAID_NOW]),
    "a late answer: another order's charge": (
        lambda book: wrong(book, overtaken(book)),
        [Written("review", "wrong_charge", None, 1)],
    ),
    "a late answer: declined": (late_decline, [Written("declined", "card_declined", None, 1)]),
    "a look-up: paid": (lambda book: look_up(book, FOUND), [PAID_NOW]),
    "a look-up: declined": (
        lambda book: look_up(book, LookupAnswer(LookupResult.DECLINED, Health.SUCCESS)),
        [Written("declined", "declined", None, 1)],
    ),
    "a look-up: the last one failed": (lambda book: look_up(book, NOTHING), [IN_REVIEW]),
    "a look-up: another order's charge": (
        lambda book: look_up(book, contradicted(FOUND, "it is said to be of another order")),
        [Written("review", "wrong_charge", None, 1)],
    ),
    "the rules: all attempts were used up": (
        lambda book: close(book, OrderStatus.DEAD, EndReason.EXHAUSTED),
        [Written("dead", "exhausted", None, 0)],
    ),
    "the rules: cancelled": (
        lambda book: close(book, OrderStatus.CANCELLED, EndReason.REQUESTED),
        [Written("cancelled", "requested", None, 0)],
    ),
    "the rules: in review": (
        lambda book: close(book, OrderStatus.REVIEW, EndReason.UNKNOWN),
        [Written("review", "unknown", None, 0)],
    ),
    "the rules: cancelled when the claim is given back": (
        release_a_cancelled_one,
        [Written("cancelled", "requested", None, 0)],
    ),
    "a batch: paid": (pay_in_a_batch, [PAID_NOW]),
    "a batch: cancelled when the attempt is undone": (
        undo_a_cancelled_one,
        [Written("cancelled", "requested", None, 0)],
    ),
    "the dispatcher: crashed too often": (
        lambda book: crash(book, POISON_CRASHES + 1),
        [Written("review", "crashed", None, 0)],
    ),
    "a person: cancelled": (
        lambda book: book.people.cancel(book.queued()),
        [Written("cancelled", "requested", None, 0)],
    ),
    "a person: paid": (
        lambda book: book.people.resolve_paid(book.queued(), "ch_1", ANNA),
        [Written("paid", "resolved", "ch_1", 0)],
    ),
    "a person: not charged": (
        lambda book: (
            record(book, book.retrying(), OTHER_PAYLOAD),
            book.people.resolve_not_charged("cart-1", ANNA),
        ),
        [Written("review", "key_conflict", None, 1), Written("dead", "resolved", None, 1)],
    ),
    "a person: not charged, and it was to be cancelled": (
        resolve_a_cancelled_one,
        [Written("review", "key_conflict", None, 1), Written("cancelled", "requested", None, 1)],
    ),
}


@pytest.mark.both_databases  # Each has a trigger of its own.
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_end_an_order_writes_one_outcome(book: Book, way: str) -> None:
    end, expected = WAYS[way]
    end(book)
    assert written(book) == expected
    stored = book.get()
    assert (stored.status, stored.reason) == (expected[-1].status, expected[-1].reason)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_works_on_a_database_of_the_version_before(book: Book, way: str) -> None:
    end, expected = WAYS[way]
    downgrade(book.database.engine)
    assert current_revision(book.database.engine) == BEFORE
    end(book)
    assert written(book) == expected


# The functions whose statements set an order's state. For a new one, add to `WAYS` what it does; a new caller of
# `apply_decision` needs that, too.
SETS_THE_STATE = {
    "accept._insert_sending",  # In flight or queued: no end.
    "accept._insert_queued",
    "claiming._claim_due",
    "batch_statements._claim",
    "order_state._move_held",
    "record._move_to_review",
    "record._paid",
    "batch_statements.pay",
    "batch_claiming._undo",
    "dispatch_queue._requeue_crashed",
    "expiring._cancel",  # `tests/contract/worker/test_expiry.py`.
    "resolve._finish",
    "retry_and_cancel.cancel_order.work",
    "retry_and_cancel._due_columns",
    "pruned_orders._row",  # It was told before it was pruned.
}
APPLIES_A_DECISION = {"record._apply", "claiming.close_claim.work", "claiming._applied"}


def functions_that(does: Callable[[ast.AST], bool]) -> set[str]:
    """The functions of the payments' modules that themselves, not those within them, do something."""
    found: set[str] = set()

    def visit(node: ast.AST, path: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = path
            if isinstance(child, ast.FunctionDef):
                inner = f"{path}.{child.name}"
            if does(child):
                found.add(inner)
            visit(child, inner)

    for module in product_modules().values():
        if module.name.startswith(("breakwall.payments.", "breakwall.worker.")):
            visit(module.tree, module.name.rpartition(".")[2])
    return found


def sets_the_state(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="state_columns")):
            return True
        case ast.Call(func=ast.Attribute(attr="values")):
            return any(keyword.arg == "status" for keyword in node.keywords)
        case ast.Dict():
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            return (
                "status" in keys
                and {"lease_until", "fence", "next_attempt_at", "dispatch_at"} & set(keys) != set()
            )
    return False


def test_no_statement_sets_a_state_that_no_way_tests() -> None:
    assert functions_that(sets_the_state) - {"order_state.state_columns"} == SETS_THE_STATE


def test_no_decision_is_applied_that_no_way_tests() -> None:
    def applies(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "apply_decision"

    assert functions_that(applies) == APPLIES_A_DECISION


BY_PLACE: dict[str, ChargeAnswer] = {
    "paid": PAID,
    "declined": DECLINED,
    "dead": STOP,
    "review": OTHER_PAYLOAD,
    "another order's charge": contradicted(PAID, "it is said to be of another order"),
}


@pytest.mark.parametrize("way", BY_PLACE)
def test_an_end_that_place_returns_writes_none(book: Book, way: str) -> None:
    caller = Waiting()
    status = record(book, book.sending(), BY_PLACE[way], profile=KEYED, caller=caller)
    assert (status, caller.is_told) == (book.get().status, True)
    assert written(book) == []


def test_an_end_that_place_returns_after_a_cancellation_writes_none(book: Book) -> None:
    attempt = book.sending()
    book.people.cancel(attempt.claim.order_id)
    assert record(book, attempt, DOWN, caller=Waiting()) is OrderStatus.CANCELLED
    assert written(book) == []


@pytest.mark.parametrize("way", BY_PLACE)
def test_an_end_whose_caller_has_left_writes_one(book: Book, way: str) -> None:
    status = record(book, book.sending(), BY_PLACE[way], caller=Waiting(left=True))
    assert [one.status for one in written(book)] == [status]


@pytest.mark.parametrize("way", BY_PLACE)
def test_an_end_whose_caller_leaves_before_the_commit_writes_one(book: Book, way: str) -> None:
    caller = Waiting(leaves=True)
    status = record(book, book.sending(), BY_PLACE[way], caller=caller)
    assert [one.status for one in written(book)] == [status]
    assert not caller.is_told


def test_nothing_is_told_of_an_order_that_is_queued(book: Book) -> None:
    caller = Waiting()
    assert record(book, book.sending(), UNKNOWN, caller=caller) is OrderStatus.QUEUED
    assert not caller.is_told
    claim = book.reclaim(book.get().id)
    book.ledger.close_claim(claim, OrderStatus.REVIEW, None, EndReason.UNKNOWN)
    assert written(book) == [Written("review", "unknown", None, 0)]


def test_nothing_is_told_if_the_transaction_fails(book: Book) -> None:
    caller, attempt = Waiting(), book.sending()
    unknown = replace(
        attempt, claim=replace(attempt.claim, request=replace(attempt.claim.request, order_id="gone"))
    )
    with pytest.raises(LookupError):
        record(book, unknown, STOP, caller=caller)
    assert not caller.is_told


def test_an_end_after_the_one_that_place_returned_writes_one(book: Book) -> None:
    record(book, book.sending(), STOP, caller=Waiting())
    book.people.retry("cart-1", ANNA)
    book.ledger.close_claim(book.reclaim(book.get().id), OrderStatus.DEAD, None, EndReason.EXHAUSTED)
    assert written(book) == [Written("dead", "exhausted", None, 0)]


def test_the_answer_of_an_old_fence_is_written_although_place_returns_it(book: Book) -> None:
    """An outcome may have been written meanwhile: the shop would end with that one."""
    attempt = book.sending()
    book.clock.advance(LEASE)
    book.dispatch_queue.reclaim_expired()
    book.ledger.close_claim(book.reclaim(attempt.claim.order_id), OrderStatus.REVIEW, None, EndReason.UNKNOWN)
    assert record(book, attempt, PAID, caller=Waiting()) is OrderStatus.PAID
    assert written(book) == [Written("review", "unknown", None, 0), Written("paid", None, "ch_1", 0)]


class TestAnOrderThatIsPlacedAgainWhileItIsInFlight:
    """Its second caller is told "in flight", so that one needs the outcome, whatever the first one is told."""

    @pytest.mark.parametrize("answer", BY_PLACE.values(), ids=BY_PLACE)
    def test_writes_an_outcome_although_place_returns_it(self, book: Book, answer: ChargeAnswer) -> None:
        attempt = book.sending()
        again = book.ledger.accept_sending(order())
        assert isinstance(again, StoredOrder)
        assert again.status is OrderStatus.IN_FLIGHT
        status = record(book, attempt, answer, caller=Waiting())
        assert [one.status for one in written(book)] == [status]

    def test_writes_one_also_if_it_was_enqueued(self, book: Book) -> None:
        attempt = book.sending()
        book.ledger.accept_queued([order(), order("cart-2")])
        record(book, attempt, PAID, caller=Waiting())
        assert written(book) == [Written("paid", None, "ch_1", 0)]

    def test_is_told_the_end_that_was_recorded_meanwhile(
        self, book: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from breakwall.payments.ledger import accept

        attempt, really = book.sending(), accept.known_orders
        stale = book.database.read(lambda connection: really(connection, [order()]))
        record(book, attempt, PAID, caller=Waiting())
        answers = iter([lambda *_: stale, really])
        monkeypatch.setattr(accept, "known_orders", lambda *given: next(answers)(*given))
        again = book.ledger.accept_sending(order())
        assert isinstance(again, StoredOrder)
        assert (again.status, written(book)) == (OrderStatus.PAID, [])


def test_outcomes_are_in_the_order_of_the_ends_and_have_their_times(book: Book) -> None:
    record(book, book.retrying(), STOP)
    for seconds in (10.0, 20.0):
        book.clock.advance(seconds)
        book.people.retry("cart-1", ANNA)
        assert book.get().reason is None
        book.ledger.close_claim(book.reclaim(book.get().id), OrderStatus.DEAD, None, EndReason.EXHAUSTED)
    book.people.resolve_paid("cart-1", "ch_1", ANNA)
    assert [(one.status, one.reason) for one in written(book)] == [
        *(("dead", "refused"), ("dead", "exhausted"), ("dead", "exhausted")),
        ("paid", "resolved"),
    ]
    times = book.database.read(
        lambda connection: list(connection.scalars(select(outcomes.c.at).order_by(outcomes.c.id)))
    )
    assert [(later - times[0]) / timedelta(seconds=1) for later in times] == [0.0, 10.0, 30.0, 30.0]


def test_a_bulk_retry_writes_none_and_each_end_after_it_one(book: Book) -> None:
    for key in ("cart-1", "cart-2"):
        book.ledger.close_claim(book.claimed(key), OrderStatus.DEAD, None, EndReason.EXHAUSTED)
    bulk.retry_all(book.database, Selection((OrderStatus.DEAD,)), ANNA, clock=book.clock)
    for key in ("cart-1", "cart-2"):
        assert len(written(book, key)) == 1
        book.ledger.close_claim(book.reclaim(book.get(key).id), OrderStatus.DEAD, None, EndReason.EXHAUSTED)
        assert len(written(book, key)) == 2


def test_a_suspicion_after_a_restore_writes_none(book: Book) -> None:
    book.queued()
    list(Suspicion(book.database, clock=book.clock, sleep=lambda seconds: None).run(book.clock.now, ANNA))
    assert written(book) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(PAID, Written("paid", None, "ch_1", 0)), (None, Written("review", "wrong_charge", None, 0))],
    ids=["paid", "another order's charge"],
)
def test_a_late_answer_about_a_pruned_order_writes_one(
    book: Book, answer: ChargeAnswer | None, expected: Written
) -> None:
    attempt = overtaken(book)
    book.people.cancel(attempt.claim.order_id)
    claim = book.reclaim(attempt.claim.order_id)
    book.ledger.prove_absent(claim)
    book.ledger.close_claim(claim, OrderStatus.CANCELLED, None, EndReason.REQUESTED)
    book.clock.advance(91 * DAY)
    pruning = Pruning(
        book.database, keys_for=400 * DAY, clock=book.clock, sleep=lambda seconds: None, timer=lambda: 0.0
    )
    assert sum(pruned for pruned, _ in pruning.run(90 * DAY)) == 1
    if answer is None:
        wrong(book, attempt)
    else:
        record(book, attempt, answer)
    assert written(book) == [expected]


OLD_STATEMENTS = {
    "paid": "UPDATE orders SET status = 'paid', charge_id = 'ch_1', lease_until = NULL, settled_at = created_at",
    "dead": "UPDATE orders SET status = 'dead', lease_until = NULL, settled_at = created_at",
}


@pytest.mark.parametrize("status", OLD_STATEMENTS)
def test_an_end_by_a_process_from_before_revision_0007_writes_one_without_a_reason(
    book: Book, status: str
) -> None:
    """It knows no reason, also where this version has stored one for an earlier end."""
    book.claimed()
    execute(book, "UPDATE orders SET reason = 'exhausted'")
    execute(book, OLD_STATEMENTS[status])
    assert written(book) == [Written(status, None, "ch_1" if status == "paid" else None, 0)]


def test_a_trigger_that_is_made_anew_writes_one(book: Book) -> None:
    """A migration may be done twice."""
    for statement in create_trigger(book.database.engine.dialect.name):
        with book.database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    book.people.cancel(book.queued())
    assert written(book) == [Written("cancelled", "requested", None, 0)]


def execute(book: Book, statement: str) -> None:
    with book.database.engine.begin() as connection:
        connection.execute(text(statement))
