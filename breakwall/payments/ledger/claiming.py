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
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.own_gateway import is_own
from breakwall.payments.db.revisions import Columns, existing_columns
from breakwall.payments.db.schema import QUEUED, attempts, orders
from breakwall.payments.db.statements import LEASE, built_once, seconds
from breakwall.payments.decisions import Decision, decline_reason
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.keys import derive_order_id
from breakwall.payments.ledger.attempt_conditions import FINAL, KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.attempt_outcomes import CONFIRMED, declined_code, unconfirmed
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.claim import Attempt, Claim, charge_request, seconds_left
from breakwall.payments.ledger.order_state import (
    HELD,
    HELD_ORDER,
    State,
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
        """Claim a due order of our gateway. None: it is not due, because the message came early or a second time."""
        site = self.site

        def work(connection: Connection) -> Claim | None:
            claiming = _claim_due(self.clock, existing_columns(connection, orders), self.gateway)
            order = connection.execute(
                claiming, {"due_order": order_id, "lease_seconds": self.lease}
            ).one_or_none()
            if order is None:
                return None
            progress, prepared = read_progress(connection, order, self.lease)
            request = replace(stored_request(order, site), prepared=prepared)
            left = seconds_left(order.charge_before, order.now)
            return Claim(request, order.fence, progress, left)

        return self.database.write(work, name="claim")

    def defer(self, order_id: str, delay: float) -> bool:
        """Defer a due order by ``delay`` seconds, because the breaker refuses calls. False: it was not due."""
        values = {"due_order": order_id, "due_in": delay}

        def work(connection: Connection) -> bool:
            return connection.execute(_defer_due(self.clock, self.gateway), values).rowcount == 1

        return self.database.write(work, name="defer")

    def release(self, claim: Claim, delay: float, *, deferred: bool = True) -> OrderStatus | None:
        """Give a claim back; the order is due again in ``delay`` seconds. No attempt is used up.

        A ``deferred`` order is counted: the breaker refused the call. Returns the order's state; None when the claim
        no longer holds.
        """
        counted = _deferral_counted if deferred else nothing_counted
        decision = Decision(OrderStatus.QUEUED, delay, uncharged=not claim.progress.unresolved)
        return self.database.write(self._applied(claim, decision, {}, counted), name="release")

    def begin_attempt(self, claim: Claim, *, prepares: bool = False) -> Attempt | None:
        """Count the worker's attempt and insert its row, before it is sent; the lease starts anew.

        None when nothing may be sent: another process has the order, a person wants it cancelled, its last moment has
        passed, or a late answer forbids it. The order's next claim reads which. ``prepares``: the charge is prepared
        first, so that nothing is charged before `confirm`.
        """

        def work(connection: Connection) -> Attempt | None:
            number = connection.scalar(
                _count_attempt(self.clock), {**held(claim), "lease_seconds": self.lease}
            )
            if number is None:
                return None
            row = {
                "order_id": claim.order_id,
                "number": number,
                "source": "worker",
                "fence": claim.fence,
                "gateway_key": claim.request.idempotency_key,
            }
            connection.execute(_insert_attempt(self.clock, prepares), row)
            progress = replace(claim.progress, retries=claim.progress.retries + 1)
            return Attempt(replace(claim, progress=progress), number)

        return self.database.write(work, name="begin_attempt")

    def confirm(self, attempt: Attempt, prepared: str) -> bool:
        """Record the id of an attempt's prepared charge, which may then be confirmed: from here on it may have charged.

        False when it must not be confirmed, for the reasons of `begin_attempt`.
        """

        def work(connection: Connection) -> bool:
            locked = select(orders.c.id).where(*_may_send(self.clock)).with_for_update()
            if connection.scalar(locked, held(attempt.claim)) is None:
                return False
            values = {
                "confirmed_order": attempt.claim.order_id,
                "confirmed_number": attempt.number,
                "prepared": prepared,
            }
            return connection.execute(CONFIRMED, values).rowcount == 1

        return self.database.write(work, name="confirm")

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
            return _status(apply_decision(connection, self.clock, claim, decision, changes))

        return self.database.write(work, name="close_claim")

    def _applied(
        self,
        claim: Claim,
        decision: Decision,
        changes: Values,
        counted: Callable[[Clock], Values] = nothing_counted,
    ) -> Callable[[Connection], OrderStatus | None]:
        return lambda connection: _status(
            apply_decision(connection, self.clock, claim, decision, changes, counted)
        )


def _status(applied: State | None) -> OrderStatus | None:
    return None if applied is None else applied.status


def _update_due(clock: Clock, gateway: str | None) -> Update:
    is_due = orders.c.status == QUEUED, orders.c.next_attempt_at <= clock.after(0)
    return update(orders).where(orders.c.id == bindparam("due_order"), *is_due, is_own(gateway))


@built_once
def _claim_due(clock: Clock, columns: Columns, gateway: str | None) -> ReturningUpdate[Any]:
    claimed = {
        "status": OrderStatus.IN_FLIGHT,
        "fence": orders.c.fence + 1,
        "lease_until": clock.after(LEASE),
        "next_attempt_at": None,
        "dispatch_at": None,
    }
    return _update_due(clock, gateway).values(claimed).returning(*columns, clock.after(0).label("now"))


@built_once
def _defer_due(clock: Clock, gateway: str | None) -> Update:
    due = clock.after(seconds("due_in"))
    deferred = {"next_attempt_at": due, "dispatch_at": due, **_deferral_counted(clock)}
    return _update_due(clock, gateway).values(deferred)


def _deferral_counted(clock: Clock) -> Values:
    return {"deferral_count": orders.c.deferral_count + 1}


def not_expired(clock: Clock) -> ColumnElement[bool]:
    """The condition that an order's last moment has not passed."""
    expiry = orders.c.charge_before
    return or_(expiry.is_(None), expiry > clock.after(0))


def _may_send(clock: Clock) -> tuple[ColumnElement[bool], ...]:
    """The conditions that an attempt of a claim may be sent."""
    return (
        HELD,
        orders.c.lease_until > clock.after(0),
        orders.c.cancel_requested.is_(false()),
        not_expired(clock),
        ~_FORBIDS_SENDING,
    )


@built_once
def _count_attempt(clock: Clock) -> ReturningUpdate[Any]:
    """Counts the attempt of a claim if it may be sent, and renews the lease."""
    counted = {
        "attempt_count": orders.c.attempt_count + 1,
        "retry_count": orders.c.retry_count + 1,
        "lease_until": clock.after(LEASE),
    }
    return update(orders).where(*_may_send(clock)).values(counted).returning(orders.c.attempt_count)


@built_once
def _insert_attempt(clock: Clock, prepares: bool) -> Insert:
    return insert(attempts).values(started_at=clock.after(0), **(unconfirmed(clock) if prepares else {}))


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
