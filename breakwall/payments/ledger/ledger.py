"""Every change of an order's state on its way from accepted to settled, each one short transaction.

An order is claimed by raising its fence; whoever holds the newest fence may write until the lease runs
out. An attempt is a row before it is a request. A result whose fence is old changes nothing, except that
proof of a payment always counts.

Who needs an order's row and its attempts' takes them in this order, so that no two transactions wait for
each other. A charge is taken first of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, false, func, update

from breakwall.payments.actions import IncidentKind
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database, Patience
from breakwall.payments.db.schema import QUEUED, SettledBy, attempts, orders
from breakwall.payments.decisions import Progress, Verdict
from breakwall.payments.gateways.base import (
    Answer,
    ChargeRequest,
    LookUpAnswer,
    LookUpResult,
    Outcome,
)
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.acceptance import (
    Accepted,
    insert_first_attempt,
    insert_unless_known,
    known_orders,
    new_row,
    take_back_pruned,
)
from breakwall.payments.ledger.attempt_conditions import UNSETTLED
from breakwall.payments.ledger.attempt_rows import end_attempt, last_error
from breakwall.payments.ledger.audit import report_incident
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT
from breakwall.payments.ledger.claims import Attempt, Claim, claim_of, forbids_sending, held, insert_attempt
from breakwall.payments.ledger.pruned import PrunedOrder, bring_back
from breakwall.payments.ledger.record_result import (
    dispute_newest,
    leave,
    leave_to_a_person,
    lock_status,
    own_charge,
    pay,
    settle_newest,
)
from breakwall.payments.orders import Order, OrderStatus, StoredOrder, check_travels_as_it_is
from breakwall.payments.site import read_site

PUBLISH_GRACE = 10.0
"""Seconds that the dispatcher leaves a producer to publish an order that is due as soon as it is stored."""


class Ledger:
    """The orders' book. Stateless but for its collaborators; safe for threads.

    Every method raises `DatabaseUnavailableError` when the database does not answer.

    Args:
        database: where the orders are.
        lease: seconds that a claim holds, and that each attempt gets from its start: longer than the
            whole call plus a margin.
        clock: where due times and leases come from.
        account: the payment account that charges are made on.
        keys_as_they_are: the callers' own keys travel, and not derived ones.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease: float,
        clock: Clock | None = None,
        account: str = DEFAULT_ACCOUNT,
        keys_as_they_are: bool = False,
    ) -> None:
        self.database = database
        self.lease = lease
        self.clock = clock or DatabaseClock()
        self.account = account
        self.keys_as_they_are = keys_as_they_are
        self._site_of: tuple[object, str] | None = None

    @property
    def site(self) -> str:
        """The site's name, read from the database once; again where that is another one than before."""
        return self._site()

    def _site(self, patience: Patience | None = None) -> str:
        read = self._site_of
        if read is None or read[0] is not self.database.prepared:
            name = read_site(self.database, patience)
            read = self._site_of = (self.database.prepared, name)
        return read[1]

    # Accepting

    def accept_sending(
        self, order: Order, patience: Patience | None = None
    ) -> Attempt | StoredOrder | PrunedOrder:
        """Store an order that is being charged right now: the order, its claim and its first attempt.

        Returns the order that is already there, or what is left of it, when its idempotency key is known.

        Args:
            patience: as `Database.write`.

        Raises:
            IdempotencyConflictError: the key belongs to another order.
            InvalidOrderError: the key cannot travel as it is, and is to.
        """
        row = self._new_row(order, patience)
        shared = {
            "status": OrderStatus.IN_FLIGHT,
            "attempt_count": 1,
            "fence": 1,
            "lease_until": self.clock.after(self.lease),
            "created_at": self.clock.after(0),
        }

        def work(connection: Connection) -> Attempt | StoredOrder | PrunedOrder:
            new = insert_unless_known(connection, [row], shared)
            if not new:
                return known_orders(connection, [order])[order.idempotency_key]
            request = ChargeRequest(
                row["id"],
                order.user_id,
                order.amount,
                order.currency,
                row["charge_key"],
                order.idempotency_key,
            )
            claim = Claim(request, 1, Progress())
            attempt = insert_first_attempt(connection, self.clock, claim, order.idempotency_key)
            if attempt is None:
                take_back_pruned(connection, new)
            return attempt or known_orders(connection, [order])[order.idempotency_key]

        return self.database.write(work, name="accept_sending", patience=patience)

    def accept_queued(
        self,
        batch: Sequence[Order],
        *,
        delay: float = 0.0,
        deferrals: int = 0,
        patience: Patience | None = None,
    ) -> Accepted:
        """Store orders that wait for the worker, due in ``delay`` seconds: all of the batch or nothing.

        Args:
            patience: as `Database.write`.

        Raises:
            IdempotencyConflictError: a key belongs to another order.
            InvalidOrderError: a key cannot travel as it is, and is to.
        """
        rows = [self._new_row(order, patience) for order in batch]
        shared = {
            "status": OrderStatus.QUEUED,
            "deferral_count": deferrals,
            "next_attempt_at": self.clock.after(delay),
            # The producer's message for an order that is not due yet finds nothing to claim.
            "dispatch_at": self.clock.after(delay or PUBLISH_GRACE),
            "created_at": self.clock.after(0),
        }

        def work(connection: Connection) -> Accepted:
            new = insert_unless_known(connection, rows, shared)
            take_back_pruned(connection, new)
            if len(new) == len(batch):
                return Accepted(new, {})
            known = known_orders(connection, batch)
            return Accepted(new, {key: order for key, order in known.items() if key not in new})

        return self.database.write(work, name="accept_queued", patience=patience)

    def _new_row(self, order: Order, patience: Patience | None) -> dict[str, Any]:
        if self.keys_as_they_are:
            check_travels_as_it_is(order)
        return new_row(order, self._site(patience), as_it_is=self.keys_as_they_are)

    # Working on a claim

    def claim(self, order_id: str) -> Claim | None:
        """Take a due order. None when there is nothing to claim: a doubled or early message."""
        site = self.site

        def work(connection: Connection) -> Claim | None:
            taken = connection.execute(
                update(orders)
                .where(orders.c.id == order_id, orders.c.status == QUEUED)
                .where(orders.c.next_attempt_at <= self.clock.after(0))
                .values(
                    status=OrderStatus.IN_FLIGHT,
                    fence=orders.c.fence + 1,
                    lease_until=self.clock.after(self.lease),
                    next_attempt_at=None,
                    dispatch_at=None,
                )
                .returning(orders, self.clock.after(0).label("now"))
            ).one_or_none()
            if taken is None:
                return None
            return claim_of(connection, taken, site=site, lease=self.lease)

        return self.database.write(work, name="claim")

    def defer(self, order_id: str, delay: float) -> bool:
        """Put a due order off without claiming it: the breaker said "not now". False: it was not due."""

        def work(connection: Connection) -> bool:
            result = connection.execute(
                update(orders)
                .where(orders.c.id == order_id, orders.c.status == QUEUED)
                .where(orders.c.next_attempt_at <= self.clock.after(0))
                .values(
                    deferral_count=orders.c.deferral_count + 1,
                    next_attempt_at=self.clock.after(delay),
                    dispatch_at=self.clock.after(delay),
                )
            )
            return result.rowcount == 1

        return self.database.write(work, name="defer")

    def release(self, claim: Claim, delay: float, *, deferred: bool = True) -> OrderStatus | None:
        """Give a claim back unused; returns the order's state, or None when the claim no longer holds.

        No attempt is used up.

        Args:
            deferred: the breaker said "not now", which is counted.
        """
        put_off = {"deferral_count": orders.c.deferral_count + int(deferred)}

        def work(connection: Connection) -> OrderStatus | None:
            queued = Verdict(OrderStatus.QUEUED, delay, uncharged=not claim.progress.unsettled)
            return leave(connection, self.clock, claim, queued, put_off)

        return self.database.write(work, name="release")

    def begin_attempt(self, claim: Claim) -> Attempt | None:
        """Count the worker's attempt and write its row, before it is sent; the lease starts anew.

        None when nothing may be sent: somebody else has the order, a person wants it cancelled, or an
        answer that was late has declined it or tells of what is not its own. Its next claim finds that out.
        """

        def work(connection: Connection) -> Attempt | None:
            counted = connection.execute(
                update(orders)
                .where(*held(claim), orders.c.lease_until > self.clock.after(0))
                .where(orders.c.cancel_requested.is_(false()), ~forbids_sending(claim.order_id))
                .values(
                    attempt_count=orders.c.attempt_count + 1,
                    retry_count=orders.c.retry_count + 1,
                    lease_until=self.clock.after(self.lease),
                )
                .returning(orders.c.attempt_count)
            ).one_or_none()
            if counted is None:
                return None
            progress = replace(claim.progress, retries=claim.progress.retries + 1)
            counted_claim = replace(claim, progress=progress)
            return insert_attempt(connection, self.clock, counted_claim, counted.attempt_count, "worker")

        return self.database.write(work, name="begin_attempt")

    def record(self, attempt: Attempt, answer: Answer, verdict: Verdict) -> OrderStatus:
        """As `record_answer`; returns the order's state alone."""
        return self.record_answer(attempt, answer, verdict)[0]

    def record_answer(
        self, attempt: Attempt, answer: Answer, verdict: Verdict, patience: Patience | None = None
    ) -> tuple[OrderStatus, str | None]:
        """Write down an answer and the state that it leads to. Returns the order's state afterwards, and the charge
        that it is paid by, if this answer tells of one.

        A charge that is another order's already pays nothing: it is an incident, and a person must look at it.

        Args:
            patience: as `Database.write`.
        """
        claim = attempt.claim

        def work(connection: Connection) -> tuple[OrderStatus, str | None]:
            told = own_charge(connection, self.clock, self.account, claim.request, answer)
            if told.outcome is Outcome.SUCCEEDED and told.charge_id:
                paid_by = pay(connection, self.clock, claim, told.charge_id)
                end_attempt(connection, self.clock, attempt, told)
                return OrderStatus.PAID, paid_by
            status = self._leave(connection, claim, verdict, told, last_error(told))
            end_attempt(connection, self.clock, attempt, told)
            return status, None

        return self.database.write(work, name="record", patience=patience)

    # Settling an earlier attempt by look-up

    def record_look_up(
        self, claim: Claim, answer: LookUpAnswer, verdict: Verdict, *, fruitless: bool
    ) -> OrderStatus:
        """Write down what a look-up found; returns the order's state afterwards. Charges as in `record`."""

        def work(connection: Connection) -> OrderStatus:
            told = own_charge(connection, self.clock, self.account, claim.request, answer)
            if told.result is LookUpResult.SUCCEEDED and told.charge_id:
                pay(connection, self.clock, claim, told.charge_id)
                status = OrderStatus.PAID
            else:
                status = self._leave(connection, claim, verdict, told, self._found(told, fruitless))
            if told.contradiction:
                dispute_newest(connection, self.clock, claim, told)
            elif told.result in {LookUpResult.SUCCEEDED, LookUpResult.DECLINED}:
                settle_newest(connection, claim, told)
            return status

        return self.database.write(work, name="record_look_up")

    def prove_absent(self, claim: Claim) -> Claim | None:
        """Write down that no earlier attempt charged. None when the claim no longer holds.

        Only now may the key change, and it does where the service may have stored an answer under the old one,
        and give it again for ever. Otherwise the old key stays, which still protects against a request that is
        late on its way.
        """
        request, renewed = claim.request, {}
        if claim.progress.key_spent:
            renewed = {"renewals": claim.progress.renewals + 1}
            key = derive_charge_key(claim.order_id, renewed["renewals"])
            request = replace(request, idempotency_key=key)

        def work(connection: Connection) -> Claim | None:
            result = connection.execute(
                update(orders)
                .where(*held(claim))
                .values(
                    lease_until=self.clock.after(self.lease),
                    charge_key=request.idempotency_key,
                    suspected_at=None,
                    **renewed,
                )
            )
            if result.rowcount != 1:
                return None
            connection.execute(
                update(attempts)
                .where(attempts.c.order_id == claim.order_id, UNSETTLED)
                .values(
                    outcome=Outcome.FAILED,
                    finished_at=func.coalesce(attempts.c.finished_at, self.clock.after(0)),
                    settled_by=SettledBy.LOOK_UP,
                    detail="Looked up afterwards: there is no such charge.",
                )
            )
            return Claim(request, claim.fence, claim.progress.proven_absent())

        return self.database.write(work, name="prove_absent")

    def close_claim(self, claim: Claim, status: OrderStatus, reason: str | None) -> OrderStatus | None:
        """End an order without another attempt: declined, dead, cancelled or in review.

        Without a ``reason`` the last error stays, which tells it better.
        Returns its state; None when the claim no longer holds.
        """

        def work(connection: Connection) -> OrderStatus | None:
            verdict = Verdict(status, uncharged=status is OrderStatus.DEAD)
            told = {} if reason is None else {"last_error": reason, "rejected": False}
            return leave(connection, self.clock, claim, verdict, told)

        return self.database.write(work, name="close_claim")

    # Within a transaction

    def _leave(
        self,
        connection: Connection,
        claim: Claim,
        verdict: Verdict,
        told: Answer | LookUpAnswer,
        noted: dict[str, Any],
    ) -> OrderStatus:
        judged = Verdict(OrderStatus.REVIEW) if told.contradiction else verdict
        left = leave(connection, self.clock, claim, judged, noted)
        if told.contradiction:
            if left is None:
                bring_back(connection, claim)
                leave_to_a_person(connection, self.clock, claim.order_id, last_error(told))
            kind, why = IncidentKind.WRONG_CHARGE, told.contradiction
            report_incident(connection, self.clock, claim.order_id, kind, why)
        return left or lock_status(connection, claim.order_id)

    def _found(self, answer: LookUpAnswer, fruitless: bool) -> dict[str, Any]:
        if not fruitless:
            return last_error(answer) if answer.contradiction else {}
        counted = {"look_up_count": orders.c.look_up_count + 1, "looked_up_at": self.clock.after(0)}
        return {**counted, **last_error(answer)}
