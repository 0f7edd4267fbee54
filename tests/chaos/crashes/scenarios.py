"""Scenarios that together pass every crash point.

Each runs in one process and begins with an empty database. The restart after it finishes what it leaves open.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from breakwall.payments.decisions import STORED_ERRORS
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.accept import PUBLISH_GRACE
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.ledger.queries import get_order
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.suspect import Suspicion
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.operator import redeliver
from tests.chaos.crashes.file_services import LATE, SETTLE_SECONDS, Behavior
from tests.chaos.crashes.pipeline import LEASE, Pipeline
from tests.contract import bulk

Steps = Callable[[Pipeline], object]

PERSON = Author("ada", "asked the payment service")


@dataclass(frozen=True)
class CrashScenario:
    """Steps, and what the payment service does with their first requests; it charges all later ones."""

    run: Steps
    behaviors: tuple[Behavior, ...] = ()
    max_attempts: int = 3
    # The orders' final state without a death, if charges can be looked up.
    ends: OrderStatus = OrderStatus.PAID


def placed(pipeline: Pipeline) -> None:
    pipeline.place()


def placed_and_tried_again(pipeline: Pipeline) -> None:
    """The producer's own message comes once too early and once in time."""
    pipeline.place()
    pipeline.work()
    pipeline.deliver_again(after=1.0)


def placed_and_resolved(pipeline: Pipeline) -> None:
    pipeline.place()
    pipeline.advance(SETTLE_SECONDS + 1)
    pipeline.work()


def delayed_on_its_way(pipeline: Pipeline) -> None:
    """Looked up while the request is still under way, and again when the settle time is over."""
    pipeline.place()
    pipeline.advance(LATE - 5)
    pipeline.work()
    pipeline.deliver_again(after=SETTLE_SECONDS)


def replayed_for_ever(pipeline: Pipeline) -> None:
    pipeline.place()
    for _ in range(STORED_ERRORS):
        pipeline.deliver_again(after=SETTLE_SECONDS + 1)


def used_up(pipeline: Pipeline) -> None:
    pipeline.place()
    for _ in range(2):
        pipeline.deliver_again(after=SETTLE_SECONDS + 1)


def placed_while_open(pipeline: Pipeline) -> None:
    pipeline.open_circuit()
    pipeline.place()


def enqueued(pipeline: Pipeline) -> None:
    pipeline.enqueue("cart-1")
    pipeline.work()


def published_by_the_dispatcher(pipeline: Pipeline) -> None:
    """The broker is down when the orders come; later it takes one message of two."""
    pipeline.broker.takes = 0
    pipeline.enqueue("cart-1", "cart-2")
    pipeline.advance(PUBLISH_GRACE)
    pipeline.broker.takes = 1
    pipeline.dispatch()
    pipeline.work()


def drained(pipeline: Pipeline) -> None:
    """Three orders share their transactions."""
    pipeline.enqueue("cart-1", "cart-2", "cart-3")
    pipeline.work_together()


def deferred(pipeline: Pipeline) -> None:
    pipeline.enqueue("cart-1", "cart-2")
    pipeline.open_circuit()
    pipeline.work_together()


def refused_before_the_send(pipeline: Pipeline) -> None:
    """Failures of other processes open the circuit after an exchange and before its attempts are sent."""
    pipeline.enqueue("cart-1", "cart-2")
    for tag, order_id in pipeline.broker.waiting():
        pipeline.drain.submit([order_id], functools.partial(pipeline.broker.basic_ack, tag))
    pipeline.drain.step()
    pipeline.open_circuit()
    pipeline.drain.run()


def deferred_singly(pipeline: Pipeline) -> None:
    """The circuit opens after an exchange has left the order to the single way."""
    (queued,) = pipeline.enqueue("cart-1")
    pipeline.open_circuit()
    pipeline.retrier.run(queued.order_id)


def refused_after_the_claim(pipeline: Pipeline) -> None:
    """Failures of other processes open the circuit after a claim and before the worker asks for a permit."""
    ledger, claim = pipeline.ledger, pipeline.ledger.claim

    def claim_while_others_fail(order_id: str) -> Claim | None:
        claimed = claim(order_id)
        pipeline.open_circuit()
        return claimed

    ledger.claim = claim_while_others_fail  # type: ignore[method-assign]
    (queued,) = pipeline.enqueue("cart-1")
    pipeline.retrier.run(queued.order_id)


def reclaimed(pipeline: Pipeline) -> None:
    """A worker hung after its request. The process dies while it recovers from that."""
    (queued,) = pipeline.enqueue("cart-1")
    pipeline.hang(queued.order_id)
    pipeline.advance(LEASE)
    pipeline.dispatch()
    pipeline.advance(SETTLE_SECONDS)
    pipeline.work()


def expired(pipeline: Pipeline) -> None:
    pipeline.enqueue("cart-1", charge_before=60.0)
    pipeline.advance(60.0)
    pipeline.dispatch()


def cancelled(pipeline: Pipeline) -> None:
    pipeline.enqueue("cart-1")
    pipeline.operator.cancel("cart-1")


def cancelled_while_unresolved(pipeline: Pipeline) -> None:
    pipeline.place()
    pipeline.operator.cancel("cart-1")
    pipeline.advance(SETTLE_SECONDS + 1)
    pipeline.work()


def cancelled_during_the_call(pipeline: Pipeline) -> None:
    pipeline.gateway.during = lambda: pipeline.operator.cancel("cart-1")
    pipeline.place()
    pipeline.advance(1.0)
    pipeline.work()


def refused(pipeline: Pipeline) -> None:
    """Dead once a look-up has found no charge; at once where there is no look-up."""
    pipeline.place()
    pipeline.advance(SETTLE_SECONDS + 1)
    pipeline.work()


def retried(pipeline: Pipeline) -> None:
    refused(pipeline)
    pipeline.operator.retry("cart-1")


def bulk_retried(pipeline: Pipeline) -> None:
    refused(pipeline)
    dead = Selection((OrderStatus.DEAD,))
    bulk.retry_all(pipeline.database, dead, PERSON, clock=pipeline.clock)


def resolved(pipeline: Pipeline) -> None:
    """Without a look-up an operator reads the payment service's ledger."""
    pipeline.place()
    pipeline.advance(1.0)
    pipeline.work()
    if get_order(pipeline.database, "cart-1").status is OrderStatus.REVIEW:
        order_id = get_order(pipeline.database, "cart-1").id
        charges = [charge for charge in pipeline.gateway.charges() if charge.order_id == order_id]
        if charges:
            pipeline.operator.resolve_paid("cart-1", charges[0].charge_id, PERSON)
        else:
            pipeline.operator.resolve_not_charged("cart-1", PERSON)


def suspected(pipeline: Pipeline) -> None:
    """As after a restore: the order waits, and may have been charged by an attempt without a row."""
    pipeline.place()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in Suspicion(pipeline.database, clock=pipeline.clock, sleep=lambda _: None).run(since, PERSON):
        pass
    pipeline.advance(SETTLE_SECONDS + 1)
    pipeline.work()


def told_twice(pipeline: Pipeline) -> None:
    """The shop is told of an order that has ended before, and is told again because a person wants that."""
    pipeline.tell_the_shop()
    order_id = get_order(pipeline.database, "cart-1").id
    redeliver(pipeline.database, order_id=order_id, clock=pipeline.clock)
    pipeline.tell_the_shop()


TOLD_TWICE = CrashScenario(told_twice)

SCENARIOS = {
    "paid": CrashScenario(placed),
    "declined": CrashScenario(placed, (Behavior.DECLINE,), ends=OrderStatus.DECLINED),
    "no connection": CrashScenario(placed_and_tried_again, (Behavior.REFUSE,)),
    "the answer is lost": CrashScenario(placed_and_resolved, (Behavior.LOSE,)),
    "the request is lost": CrashScenario(placed_and_resolved, (Behavior.VANISH,)),
    "the request is late": CrashScenario(delayed_on_its_way, (Behavior.DELAY,)),
    "a 500 is stored": CrashScenario(replayed_for_ever, (Behavior.ERROR,)),
    "attempts are used up": CrashScenario(
        used_up, (Behavior.VANISH, Behavior.VANISH), max_attempts=1, ends=OrderStatus.DEAD
    ),
    "placed while open": CrashScenario(placed_while_open),
    "enqueued": CrashScenario(enqueued),
    "published by the dispatcher": CrashScenario(published_by_the_dispatcher),
    "drained": CrashScenario(drained),
    "drained, an answer is lost": CrashScenario(drained, (Behavior.CHARGE, Behavior.LOSE, Behavior.CHARGE)),
    "deferred": CrashScenario(deferred),
    "deferred the single way": CrashScenario(deferred_singly),
    "refused before the send": CrashScenario(refused_before_the_send),
    "refused after the claim": CrashScenario(refused_after_the_claim),
    "reclaimed from a hung worker": CrashScenario(reclaimed),
    "expired": CrashScenario(expired, ends=OrderStatus.CANCELLED),
    "cancelled": CrashScenario(cancelled, ends=OrderStatus.CANCELLED),
    "cancelled while unresolved, not charged": CrashScenario(
        cancelled_while_unresolved, (Behavior.VANISH,), ends=OrderStatus.CANCELLED
    ),
    "cancelled while unresolved, charged": CrashScenario(cancelled_while_unresolved, (Behavior.LOSE,)),
    "cancelled during the call, not charged": CrashScenario(
        cancelled_during_the_call, (Behavior.REFUSE,), ends=OrderStatus.CANCELLED
    ),
    "cancelled during the call, charged": CrashScenario(cancelled_during_the_call),
    "retried": CrashScenario(retried, (Behavior.REJECT,)),
    "retried with others": CrashScenario(bulk_retried, (Behavior.REJECT,)),
    "resolved as paid": CrashScenario(resolved, (Behavior.LOSE,)),
    "resolved as not charged": CrashScenario(resolved, (Behavior.VANISH,)),
    "suspected": CrashScenario(suspected, (Behavior.LOSE,)),
}
