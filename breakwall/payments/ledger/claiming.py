"""The ledger's part for a worker: claim an order, then begin an attempt or give the claim back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Update, and_, exists, false, insert, or_, update

from breakwall.payments.db.revisions import existing_columns
from breakwall.payments.db.schema import QUEUED, attempts, orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.keys import derive_order_id
from breakwall.payments.ledger.attempt_conditions import FINAL, KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.claim import Attempt, Claim, charge_request
from breakwall.payments.ledger.order_state import apply_decision, held
from breakwall.payments.ledger.progress import read_progress
from breakwall.payments.orders import OrderStatus


class Claiming(LedgerBase):
    """The ledger's part for a worker that works on an order."""

    def claim(self, order_id: str) -> Claim | None:
        """Claim a due order. None: it is not due, because the message came early or for the second time."""
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
                .returning(*existing_columns(connection, orders), self.clock.after(0).label("now"))
            ).one_or_none()
            if order is None:
                return None
            progress = read_progress(connection, order, self.lease)
            return Claim(stored_request(order, site), order.fence, progress)

        return self.database.write(work, name="claim")

    def defer(self, order_id: str, delay: float) -> bool:
        """Defer a due order by ``delay`` seconds, because the breaker refuses calls. False: it was not due."""
        due = self.clock.after(delay)
        deferred = self._update_due(order_id).values(
            deferral_count=orders.c.deferral_count + 1, next_attempt_at=due, dispatch_at=due
        )
        return self.database.write(
            lambda connection: connection.execute(deferred).rowcount == 1, name="defer"
        )

    def release(self, claim: Claim, delay: float, *, deferred: bool = True) -> OrderStatus | None:
        """Give a claim back; the order is due again in ``delay`` seconds. No attempt is used up.

        A ``deferred`` order is counted: the breaker refused the call. Returns the order's state; None when the claim
        no longer holds.
        """
        changes = {"deferral_count": orders.c.deferral_count + int(deferred)}
        decision = Decision(OrderStatus.QUEUED, delay, uncharged=not claim.progress.unresolved)
        return self.database.write(self._applied(claim, decision, changes), name="release")

    def begin_attempt(self, claim: Claim) -> Attempt | None:
        """Count the worker's attempt and insert its row, before it is sent; the lease starts anew.

        None when nothing may be sent: another process has the order, a person wants it cancelled, or a late
        answer forbids it. The order's next claim reads which.
        """

        def work(connection: Connection) -> Attempt | None:
            number = connection.scalar(
                update(orders)
                .where(held(claim), orders.c.lease_until > self.clock.after(0))
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

        ``reason`` becomes the order's last error; None keeps the one that it has. Returns the order's state; None
        when the claim no longer holds.
        """
        decision = Decision(status, uncharged=status is OrderStatus.DEAD)
        changes = {} if reason is None else {"last_error": reason, "rejected": False}
        return self.database.write(self._applied(claim, decision, changes), name="close_claim")

    def _applied(
        self, claim: Claim, decision: Decision, changes: dict[str, Any]
    ) -> Callable[[Connection], OrderStatus | None]:
        return lambda connection: apply_decision(connection, self.clock, claim, decision, changes)

    def _update_due(self, order_id: str) -> Update:
        due = orders.c.next_attempt_at <= self.clock.after(0)
        return update(orders).where(orders.c.id == order_id, orders.c.status == QUEUED, due)


def stored_request(order: Row[Any], site: str) -> ChargeRequest:
    """What is sent to charge an order, from its row."""
    # An order from before ids were derived was sent without a reference. A body with one would be another payload.
    is_derived = order.id == derive_order_id(site, order.idempotency_key)
    reference = order.idempotency_key if is_derived else None
    return charge_request(order, order.id, order.charge_key, reference)


def _forbids_sending(order_id: str) -> ColumnElement[bool]:
    """The condition that an answer has come after which nothing is sent: a final one or a key conflict."""
    return exists().where(attempts.c.order_id == order_id, or_(FINAL, and_(UNRESOLVED, KEY_CONFLICT)))
