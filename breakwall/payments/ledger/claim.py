"""Claiming an order, and beginning an attempt under the claim."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    exists,
    false,
    insert,
    or_,
    select,
    update,
)

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, attempts, orders
from breakwall.payments.decisions import Decision, Progress
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.keys import derive_order_id
from breakwall.payments.ledger.attempt_conditions import FINAL, KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.ledger.progress import read_progress
from breakwall.payments.orders import Order, OrderStatus


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to work on an order until the lease runs out."""

    request: ChargeRequest
    fence: int
    progress: Progress

    @property
    def order_id(self) -> str:
        return self.request.order_id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that may now be sent: its row is committed. ``claim.progress`` counts it."""

    claim: Claim
    number: int


class Claiming(LedgerBase):
    """The ledger's part for a worker that works on an order."""

    def claim(self, order_id: str) -> Claim | None:
        """Claim a due order. None: it is not due. The message for it came early, or for the second time."""
        site = self.site

        def work(connection: Connection) -> Claim | None:
            order = connection.execute(
                self._update_due(order_id)
                .values(
                    status=OrderStatus.IN_FLIGHT,
                    fence=orders.c.fence + 1,
                    lease_until=self.clock.after(self.lease),
                    next_attempt_at=None,
                    dispatch_at=None,
                )
                .returning(orders, self.clock.after(0).label("now"))
            ).one_or_none()
            if order is None:
                return None
            progress = read_progress(connection, order, self.lease)
            return Claim(_stored_request(order, site), order.fence, progress)

        return self.database.write(work, name="claim")

    def defer(self, order_id: str, delay: float) -> bool:
        """Put a due order off for ``delay`` seconds, because the breaker refuses calls. False: it was not due."""
        due = self.clock.after(delay)
        deferred = self._update_due(order_id).values(
            deferral_count=orders.c.deferral_count + 1, next_attempt_at=due, dispatch_at=due
        )
        return self.database.write(
            lambda connection: connection.execute(deferred).rowcount == 1, name="defer"
        )

    def release(self, claim: Claim, delay: float, *, deferred: bool = True) -> OrderStatus | None:
        """Give a claim back, due again in ``delay`` seconds. No attempt is used up.

        Returns the order's state; None when the claim no longer holds.

        Args:
            deferred: the breaker refused the call, which is counted.
        """
        changes = {"deferral_count": orders.c.deferral_count + int(deferred)}
        decision = Decision(OrderStatus.QUEUED, delay, uncharged=not claim.progress.unresolved)
        return self.database.write(
            lambda connection: apply_decision(connection, self.clock, claim, decision, changes),
            name="release",
        )

    def begin_attempt(self, claim: Claim) -> Attempt | None:
        """Count the worker's attempt and insert its row, before it is sent; the lease starts anew.

        None when nothing may be sent: another process has the order, a person wants it cancelled, or a late
        answer forbids it. Its next claim sees which.
        """

        def work(connection: Connection) -> Attempt | None:
            number = connection.scalar(
                update(orders)
                .where(*held(claim), orders.c.lease_until > self.clock.after(0))
                .where(orders.c.cancel_requested.is_(false()), ~_forbids_sending(claim.order_id))
                .values(
                    attempt_count=orders.c.attempt_count + 1,
                    retry_count=orders.c.retry_count + 1,
                    lease_until=self.clock.after(self.lease),
                )
                .returning(orders.c.attempt_count)
            )
            if number is None:
                return None
            connection.execute(
                insert(attempts).values(
                    order_id=claim.order_id,
                    number=number,
                    source="worker",
                    fence=claim.fence,
                    gateway_key=claim.request.idempotency_key,
                    started_at=self.clock.after(0),
                )
            )
            progress = replace(claim.progress, retries=claim.progress.retries + 1)
            return Attempt(replace(claim, progress=progress), number)

        return self.database.write(work, name="begin_attempt")

    def close_claim(self, claim: Claim, status: OrderStatus, reason: str | None) -> OrderStatus | None:
        """Finish an order without another attempt: declined, dead, cancelled or in review.

        Returns its state; None when the claim no longer holds.

        Args:
            reason: becomes the order's last error; None where the last error says it better.
        """
        decision = Decision(status, uncharged=status is OrderStatus.DEAD)
        changes = {} if reason is None else {"last_error": reason, "rejected": False}
        return self.database.write(
            lambda connection: apply_decision(connection, self.clock, claim, decision, changes),
            name="close_claim",
        )

    def _update_due(self, order_id: str) -> Update:
        return update(orders).where(
            orders.c.id == order_id,
            orders.c.status == QUEUED,
            orders.c.next_attempt_at <= self.clock.after(0),
        )


def charge_request(
    order: Order | Row[Any], order_id: str, charge_key: str, reference: str | None
) -> ChargeRequest:
    """What is sent to charge an order. A new field goes in here, in `ChargeRequest`, and in each gateway."""
    return ChargeRequest(order_id, order.user_id, order.amount, order.currency, charge_key, reference)


def held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The condition, for an UPDATE of the order, that no other process has claimed it since."""
    return (
        orders.c.id == claim.order_id,
        and_(orders.c.status == IN_FLIGHT, orders.c.fence == claim.fence),
    )


def apply_decision(
    connection: Connection, clock: Clock, claim: Claim, decision: Decision, changes: dict[str, Any]
) -> OrderStatus | None:
    """Give an order the state of a decision, and return it. None when the claim no longer holds.

    If nothing was charged and a person has requested its cancellation meanwhile, the order is cancelled now. While the
    circuit is open, its next turn may be far off.
    """
    status, delay = decision.status, decision.delay
    if decision.uncharged and _is_cancel_requested(connection, claim):
        status, delay = OrderStatus.CANCELLED, 0.0
    values = {**state_columns(clock, status, delay), **changes}
    applied = connection.execute(update(orders).where(*held(claim)).values(values))
    return status if applied.rowcount else None


def _is_cancel_requested(connection: Connection, claim: Claim) -> bool:
    requested = select(orders.c.cancel_requested).where(*held(claim)).with_for_update()
    return bool(connection.scalar(requested))


def _stored_request(order: Row[Any], site: str) -> ChargeRequest:
    # An order from before ids were derived was sent without a reference. A body with one would be another payload.
    is_derived = order.id == derive_order_id(site, order.idempotency_key)
    reference = order.idempotency_key if is_derived else None
    return charge_request(order, order.id, order.charge_key, reference)


def _forbids_sending(order_id: str) -> ColumnElement[bool]:
    """The condition that an answer has come after which nothing is sent: a final one or a key conflict."""
    return exists().where(attempts.c.order_id == order_id, or_(FINAL, and_(UNRESOLVED, KEY_CONFLICT)))
