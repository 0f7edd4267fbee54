"""Every change of an order's state on its way from accepted to settled, each one short transaction.

An order is claimed by raising its fence; whoever holds the newest fence may write until the lease runs
out. An attempt is a row before it is a request. A result whose fence is old changes nothing, except that
proof of a payment always counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, case, false, func, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.audit import report_incident, resolved_as_not_charged_since
from breakwall.payments.clock import Clock, DatabaseClock
from breakwall.payments.database import Database
from breakwall.payments.decisions import Progress, Verdict
from breakwall.payments.gateways.base import Answer, ChargeRequest, LookUpAnswer, LookUpResult, Outcome
from breakwall.payments.keys import renewed_key
from breakwall.payments.orders import Order, OrderStatus, StoredOrder
from breakwall.payments.queries import orders_by_key
from breakwall.payments.schema import IN_FLIGHT, QUEUED, STORED_ERROR, UNSETTLED, attempts, orders

Source = Literal["producer", "worker"]

PUBLISH_GRACE = 10.0
"""Seconds that the dispatcher leaves a producer to publish an order that is due as soon as it is stored."""

MAX_ERROR = 500


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch, by idempotency key: the ids of new orders, and orders that were known."""

    new: dict[str, str]
    known: dict[str, StoredOrder]


class Ledger:
    """The orders' book. Stateless but for its collaborators; safe for threads.

    Every method raises `DatabaseUnavailableError` when the database does not answer.

    Args:
        database: where the orders are.
        lease: seconds that a claim holds, and that each attempt gets from its start: longer than the
            whole call plus a margin.
        clock: where due times and leases come from.
    """

    def __init__(self, database: Database, *, lease: float, clock: Clock | None = None) -> None:
        self.database = database
        self.lease = lease
        self.clock = clock or DatabaseClock()

    # Accepting

    def accept_sending(self, order: Order) -> Attempt | StoredOrder:
        """Store an order that is being charged right now: the order, its claim and its first attempt.

        Returns the order that is already there when its idempotency key is known.

        Raises:
            IdempotencyConflictError: the key belongs to another order.
        """
        row = _new_row(order)
        shared = {
            "status": OrderStatus.IN_FLIGHT,
            "attempt_count": 1,
            "fence": 1,
            "lease_until": self.clock.after(self.lease),
            "created_at": self.clock.after(0),
        }

        def work(connection: Connection) -> Attempt | StoredOrder:
            if not _insert_unless_known(connection, [row], shared):
                return _known_orders(connection, [order])[order.idempotency_key]
            claim = Claim(_request(order, row["id"]), 1, Progress())
            return self._insert_attempt(connection, claim, 1, "producer")

        return self.database.write(work, name="accept_sending")

    def accept_queued(self, batch: Sequence[Order], *, delay: float = 0.0, deferrals: int = 0) -> Accepted:
        """Store orders that wait for the worker, due in ``delay`` seconds: all of the batch or nothing.

        Raises:
            IdempotencyConflictError: a key belongs to another order.
        """
        rows = [_new_row(order) for order in batch]
        shared = {
            "status": OrderStatus.QUEUED,
            "deferral_count": deferrals,
            "next_attempt_at": self.clock.after(delay),
            # The producer's message for an order that is not due yet finds nothing to claim.
            "dispatch_at": self.clock.after(delay or PUBLISH_GRACE),
            "created_at": self.clock.after(0),
        }

        def work(connection: Connection) -> Accepted:
            new = _insert_unless_known(connection, rows, shared)
            if len(new) == len(batch):
                return Accepted(new, {})
            known = _known_orders(connection, batch)
            return Accepted(new, {key: order for key, order in known.items() if key not in new})

        return self.database.write(work, name="accept_queued")

    # Working on a claim

    def claim(self, order_id: str) -> Claim | None:
        """Take a due order. None when there is nothing to claim: a doubled or early message."""

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
            return Claim(_stored_request(taken), taken.fence, self._progress(connection, taken))

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

    def release(self, claim: Claim, delay: float) -> bool:
        """Give a claim back unused: the breaker said "not now". No attempt is used up."""
        put_off = {"deferral_count": orders.c.deferral_count + 1}

        def work(connection: Connection) -> bool:
            return self._leave(connection, claim, Verdict(OrderStatus.QUEUED, delay), put_off)

        return self.database.write(work, name="release")

    def begin_attempt(self, claim: Claim) -> Attempt | None:
        """Count the worker's attempt and write its row, before it is sent; the lease starts anew.

        None when the claim no longer holds: somebody else has the order, so nothing may be sent.
        """

        def work(connection: Connection) -> Attempt | None:
            counted = connection.execute(
                update(orders)
                .where(*_held(claim), orders.c.lease_until > self.clock.after(0))
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
            return self._insert_attempt(
                connection, replace(claim, progress=progress), counted.attempt_count, "worker"
            )

        return self.database.write(work, name="begin_attempt")

    def record(self, attempt: Attempt, answer: Answer, verdict: Verdict) -> OrderStatus:
        """Write down an answer and the state that it leads to; returns the order's state afterwards."""
        claim = attempt.claim

        def work(connection: Connection) -> OrderStatus:
            # A late "I do not know" must not undo what a look-up has proven since.
            open_to_this = UNSETTLED if answer.outcome is Outcome.UNKNOWN else true()
            connection.execute(
                update(attempts)
                .where(
                    attempts.c.order_id == claim.order_id, attempts.c.number == attempt.number, open_to_this
                )
                .values(
                    finished_at=self.clock.after(0),
                    outcome=answer.outcome,
                    code=_clip(answer.code, 64),
                    detail=_clip(answer.detail),
                    charge_id=answer.charge_id,
                )
            )
            if answer.outcome is Outcome.SUCCEEDED:
                return self._pay(connection, claim, answer.charge_id)
            told = {"last_error": _error(answer.code, answer.detail)}
            if self._leave(connection, claim, verdict, told):
                return verdict.status
            return _status(connection, claim.order_id)

        return self.database.write(work, name="record")

    # Settling an earlier attempt by look-up

    def record_look_up(
        self, claim: Claim, answer: LookUpAnswer, verdict: Verdict, *, fruitless: bool
    ) -> OrderStatus:
        """Write down what a look-up found; returns the order's state afterwards."""

        def work(connection: Connection) -> OrderStatus:
            if answer.result in {LookUpResult.SUCCEEDED, LookUpResult.DECLINED}:
                self._settle_newest(connection, claim, answer)
            if answer.result is LookUpResult.SUCCEEDED:
                return self._pay(connection, claim, answer.charge_id)
            told: dict[str, Any] = {}
            if fruitless:
                told["look_up_count"] = orders.c.look_up_count + 1
                told["last_error"] = _error(answer.code, answer.detail)
            if self._leave(connection, claim, verdict, told):
                return verdict.status
            return _status(connection, claim.order_id)

        return self.database.write(work, name="record_look_up")

    def prove_absent(self, claim: Claim) -> Claim | None:
        """Write down that no earlier attempt charged. None when the claim no longer holds.

        Only now may the key change, and it does where the service answered the old one with an error: it
        may have stored that answer and give it again for ever. Otherwise the old key stays, which still
        protects against a request that is late on its way.
        """
        request = claim.request
        if claim.progress.stored_errors:
            request = replace(request, idempotency_key=renewed_key(claim.order_id, claim.fence))

        def work(connection: Connection) -> Claim | None:
            held = connection.execute(
                update(orders)
                .where(*_held(claim))
                .values(lease_until=self.clock.after(self.lease), charge_key=request.idempotency_key)
            )
            if held.rowcount != 1:
                return None
            connection.execute(
                update(attempts)
                .where(attempts.c.order_id == claim.order_id, UNSETTLED)
                .values(outcome=Outcome.FAILED, detail="Looked up afterwards: there is no such charge.")
            )
            settled = replace(claim.progress, unsettled=False, unsettled_age=0.0, stored_errors=0)
            return Claim(request, claim.fence, settled)

        return self.database.write(work, name="prove_absent")

    def close_claim(self, claim: Claim, status: OrderStatus, reason: str) -> bool:
        """End an order without another attempt: dead, cancelled or in review."""

        def work(connection: Connection) -> bool:
            return self._leave(connection, claim, Verdict(status), {"last_error": reason})

        return self.database.write(work, name="close_claim")

    # Within a transaction

    def _leave(self, connection: Connection, claim: Claim, verdict: Verdict, told: dict[str, Any]) -> bool:
        result = connection.execute(
            update(orders).where(*_held(claim)).values({**self._state(verdict), **told})
        )
        return result.rowcount == 1

    def _state(self, verdict: Verdict) -> dict[str, Any]:
        waits = verdict.status is OrderStatus.QUEUED
        due = self.clock.after(verdict.delay) if waits else None
        return {
            "status": verdict.status,
            "lease_until": None,
            "next_attempt_at": due,
            "dispatch_at": due,
            "settled_at": None if waits else self.clock.after(0),
        }

    def _pay(self, connection: Connection, claim: Claim, charge_id: str | None) -> OrderStatus:
        """Proof of payment counts whoever brings it and whatever the order's state is by now."""
        paid = {**self._state(Verdict(OrderStatus.PAID)), "charge_id": charge_id, "last_error": None}
        as_expected = connection.execute(
            update(orders).where(*_held(claim), orders.c.cancel_requested.is_(false())).values(paid)
        )
        if as_expected.rowcount == 0:
            self._pay_against_expectation(connection, claim, paid)
        return OrderStatus.PAID

    def _pay_against_expectation(self, connection: Connection, claim: Claim, paid: dict[str, Any]) -> None:
        order_id = claim.order_id
        before = connection.execute(
            select(orders.c.status, orders.c.charge_id, orders.c.cancel_requested)
            .where(orders.c.id == order_id)
            .with_for_update()
        ).one()
        charge_id = paid["charge_id"]
        if before.status == OrderStatus.PAID:
            if before.charge_id != charge_id:
                detail = f"charged as {before.charge_id} and as {charge_id}: refund one of them"
                report_incident(connection, self.clock, order_id, "two_charges", detail)
            return
        if before.cancel_requested:
            detail = f"charged as {charge_id} although it was to be cancelled: refund it"
            report_incident(connection, self.clock, order_id, "charged_after_cancel", detail)
        elif resolved_as_not_charged_since(connection, order_id, claim.fence):
            detail = f"charged as {charge_id} although a person had resolved it as not charged"
            report_incident(connection, self.clock, order_id, "charged_after_resolution", detail)
        connection.execute(update(orders).where(orders.c.id == order_id).values(paid))

    def _insert_attempt(self, connection: Connection, claim: Claim, number: int, source: Source) -> Attempt:
        connection.execute(
            insert(attempts).values(
                order_id=claim.order_id,
                number=number,
                source=source,
                fence=claim.fence,
                gateway_key=claim.request.idempotency_key,
                started_at=self.clock.after(0),
            )
        )
        return Attempt(claim, number)

    def _progress(self, connection: Connection, order: Row[Any]) -> Progress:
        ended = func.coalesce(attempts.c.finished_at, order.now)
        answered = and_(UNSETTLED, STORED_ERROR)
        sent = connection.execute(
            select(
                func.min(case((attempts.c.gateway_key == order.charge_key, attempts.c.started_at))).label(
                    "since"
                ),
                func.max(case((UNSETTLED, ended))).label("unsettled_at"),
                func.count(case((answered, 1))).label("stored_errors"),
            ).where(attempts.c.order_id == order.id)
        ).one()
        return Progress(
            retries=order.retry_count - order.retry_floor,
            look_ups=order.look_up_count - order.look_up_floor,
            unsettled=sent.unsettled_at is not None,
            unsettled_age=_seconds(sent.unsettled_at, order.now),
            stored_errors=sent.stored_errors,
            key_age=self._key_age(sent.since, order.now),
            cancel_requested=order.cancel_requested,
        )

    def _key_age(self, since: datetime | None, now: datetime) -> float:
        # An attempt begins within this lease, and its call ends within the lease of its own.
        return 0.0 if since is None else _seconds(since, now) + 2 * self.lease

    def _settle_newest(self, connection: Connection, claim: Claim, answer: LookUpAnswer) -> None:
        newest = (
            select(func.max(attempts.c.number))
            .where(attempts.c.order_id == claim.order_id, UNSETTLED)
            .scalar_subquery()
        )
        found = Outcome.SUCCEEDED if answer.result is LookUpResult.SUCCEEDED else Outcome.DECLINED
        connection.execute(
            update(attempts)
            .where(attempts.c.order_id == claim.order_id, attempts.c.number == newest)
            .values(outcome=found, charge_id=answer.charge_id, detail="Looked up afterwards.")
        )


def _held(claim: Claim) -> tuple[Any, ...]:
    return (
        orders.c.id == claim.order_id,
        and_(orders.c.status == IN_FLIGHT, orders.c.fence == claim.fence),
    )


def _new_row(order: Order) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "idempotency_key": order.idempotency_key,
        "user_id": order.user_id,
        "amount": order.amount,
        "currency": order.currency,
        "charge_key": order.idempotency_key,
    }


def _insert_unless_known(
    connection: Connection, rows: Sequence[dict[str, Any]], shared: dict[str, Any]
) -> dict[str, str]:
    """Insert the orders whose key is new; returns their ids by key. ``shared``: columns alike in all rows.

    Apart, because a statement that holds its rows is compiled anew each time, at ten times the cost.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(orders)
        .on_conflict_do_nothing(index_elements=[orders.c.idempotency_key])
        .returning(orders.c.idempotency_key, orders.c.id)
    )
    return {row.idempotency_key: row.id for row in connection.execute(statement.values(shared), rows)}


def _known_orders(connection: Connection, batch: Sequence[Order]) -> dict[str, StoredOrder]:
    found = orders_by_key(connection, [order.idempotency_key for order in batch])
    for order in batch:
        found[order.idempotency_key].check_same_as(order)
    return found


def _request(order: Order, order_id: str) -> ChargeRequest:
    return ChargeRequest(order_id, order.user_id, order.amount, order.currency, order.idempotency_key)


def _stored_request(row: Row[Any]) -> ChargeRequest:
    return ChargeRequest(row.id, row.user_id, row.amount, row.currency, row.charge_key)


def _status(connection: Connection, order_id: str) -> OrderStatus:
    return OrderStatus(connection.scalars(select(orders.c.status).where(orders.c.id == order_id)).one())


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _error(code: str | None, detail: str | None) -> str | None:
    return _clip(": ".join(part for part in (code, detail) if part))


def _clip(text: str | None, limit: int = MAX_ERROR) -> str | None:
    return text[:limit] if text else None
