"""The ledger's part for a worker: claim an order, then begin an attempt or give the claim back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Row,
    Update,
    and_,
    bindparam,
    exists,
    false,
    insert,
    or_,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.revisions import Columns, existing_columns
from breakwall.payments.db.schema import QUEUED, attempts, orders
from breakwall.payments.db.statements import LEASE, built_once, seconds
from breakwall.payments.decisions import Decision, decline_reason
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.keys import derive_order_id
from breakwall.payments.ledger.attempt_conditions import FINAL, KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.attempt_outcomes import declined_code
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.claim import Attempt, Claim, charge_request
from breakwall.payments.ledger.order_state import (
    HELD,
    HELD_ORDER,
    Values,
    apply_decision,
    held,
    nothing_counted,
)
from breakwall.payments.ledger.progress import read_progress
from breakwall.payments.orders import EndReason, OrderStatus


class Claiming(LedgerBase):
    """The ledger's part for a worker that works on an order."""

    def claim(self, order_id: str) -> Claim | None:
        """Claim a due order. None: it is not due, because the message came early or for the second time."""
        site = self.site

        def work(connection: Connection) -> Claim | None:
            claiming = _claim_due(self.clock, existing_columns(connection, orders))
            order = connection.execute(
                claiming, {"due_order": order_id, "lease_seconds": self.lease}
            ).one_or_none()
            if order is None:
                return None
            progress = read_progress(connection, order, self.lease)
            return Claim(stored_request(order, site), order.fence, progress)

        return self.database.write(work, name="claim")

    def defer(self, order_id: str, delay: float) -> bool:
        """Defer a due order by ``delay`` seconds, because the breaker refuses calls. False: it was not due."""
        values = {"due_order": order_id, "due_in": delay}
        return self.database.write(
            lambda connection: connection.execute(_defer_due(self.clock), values).rowcount == 1, name="defer"
        )

    def release(self, claim: Claim, delay: float, *, deferred: bool = True) -> OrderStatus | None:
        """Give a claim back; the order is due again in ``delay`` seconds. No attempt is used up.

        A ``deferred`` order is counted: the breaker refused the call. Returns the order's state; None when the claim
        no longer holds.
        """
        counted = _deferral_counted if deferred else nothing_counted
        decision = Decision(OrderStatus.QUEUED, delay, uncharged=not claim.progress.unresolved)
        return self.database.write(self._applied(claim, decision, {}, counted), name="release")

    def begin_attempt(self, claim: Claim) -> Attempt | None:
        """Count the worker's attempt and insert its row, before it is sent; the lease starts anew.

        None when nothing may be sent: another process has the order, a person wants it cancelled, or a late
        answer forbids it. The order's next claim reads which.
        """

        def work(connection: Connection) -> Attempt | None:
            counting = _count_attempt(self.clock)
            number = connection.scalar(counting, {**held(claim), "lease_seconds": self.lease})
            if number is None:
                return None
            row = {
                "order_id": claim.order_id,
                "number": number,
                "source": "worker",
                "fence": claim.fence,
                "gateway_key": claim.request.idempotency_key,
            }
            connection.execute(_insert_attempt(self.clock), row)
            progress = replace(claim.progress, retries=claim.progress.retries + 1)
            return Attempt(replace(claim, progress=progress), number)

        return self.database.write(work, name="begin_attempt")

    def close_claim(
        self, claim: Claim, status: OrderStatus, error: str | None, reason: EndReason | None = None
    ) -> OrderStatus | None:
        """Finish an order without another attempt: declined, dead, cancelled or in review.

        ``error`` becomes the order's last error; None keeps the one that it has. The ``reason`` of a declined order is
        the code of its decline, if that can be one. Returns the order's state; None when the claim no longer holds.
        """
        changes = {} if error is None else {"last_error": error, "rejected": False}

        def work(connection: Connection) -> OrderStatus | None:
            declined = status is OrderStatus.DECLINED
            why = decline_reason(declined_code(connection, claim.order_id)) if declined else reason
            decision = Decision(status, uncharged=status is OrderStatus.DEAD, reason=why)
            return apply_decision(connection, self.clock, claim, decision, changes)

        return self.database.write(work, name="close_claim")

    def _applied(
        self,
        claim: Claim,
        decision: Decision,
        changes: Values,
        counted: Callable[[Clock], Values] = nothing_counted,
    ) -> Callable[[Connection], OrderStatus | None]:
        return lambda connection: apply_decision(connection, self.clock, claim, decision, changes, counted)


def _update_due(clock: Clock) -> Update:
    is_due = orders.c.next_attempt_at <= clock.after(0)
    return update(orders).where(orders.c.id == bindparam("due_order"), orders.c.status == QUEUED, is_due)


@built_once
def _claim_due(clock: Clock, columns: Columns) -> ReturningUpdate[Any]:
    claimed = {
        "status": OrderStatus.IN_FLIGHT,
        "fence": orders.c.fence + 1,
        "lease_until": clock.after(LEASE),
        "next_attempt_at": None,
        "dispatch_at": None,
    }
    return _update_due(clock).values(claimed).returning(*columns, clock.after(0).label("now"))


@built_once
def _defer_due(clock: Clock) -> Update:
    due = clock.after(seconds("due_in"))
    return _update_due(clock).values(next_attempt_at=due, dispatch_at=due, **_deferral_counted(clock))


def _deferral_counted(clock: Clock) -> Values:
    return {"deferral_count": orders.c.deferral_count + 1}


@built_once
def _count_attempt(clock: Clock) -> ReturningUpdate[Any]:
    """Counts the attempt of a claim if it may be sent, and renews the lease."""
    counted = {
        "attempt_count": orders.c.attempt_count + 1,
        "retry_count": orders.c.retry_count + 1,
        "lease_until": clock.after(LEASE),
    }
    return (
        update(orders)
        .where(HELD, orders.c.lease_until > clock.after(0))
        .where(orders.c.cancel_requested.is_(false()), ~_FORBIDS_SENDING)
        .values(counted)
        .returning(orders.c.attempt_count)
    )


@built_once
def _insert_attempt(clock: Clock) -> Insert:
    return insert(attempts).values(started_at=clock.after(0))


def stored_request(order: Row[Any], site: str) -> ChargeRequest:
    """What is sent to charge an order, from its row."""
    # An order from before ids were derived was sent without a reference. A body with one would be another payload.
    is_derived = order.id == derive_order_id(site, order.idempotency_key)
    reference = order.idempotency_key if is_derived else None
    return charge_request(order, order.id, order.charge_key, reference)


# The condition that an answer has come after which nothing is sent: a final one or a key conflict.
_FORBIDS_SENDING: ColumnElement[bool] = exists().where(
    attempts.c.order_id == HELD_ORDER, or_(FINAL, and_(UNRESOLVED, KEY_CONFLICT))
)
