"""The ledger's part for a worker that works on many orders at once: it records and claims them in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Insert, Row, Update, case, delete, null, or_, select, tuple_, update

from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.decisions import Progress
from breakwall.payments.gateways.base import ChargeAnswer, Outcome
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.attempt_conditions import UNPROCESSED
from breakwall.payments.ledger.attempt_outcomes import MAX_ERROR
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.batch_rows import given_rows, id_parameters, row_parameters
from breakwall.payments.ledger.batch_statements import (
    ANSWERED,
    HELD,
    OWNED,
    PAID,
    BatchStatements,
    is_held,
    lock_due,
)
from breakwall.payments.ledger.claim import Attempt, Claim, seconds_left
from breakwall.payments.ledger.claiming import stored_request
from breakwall.payments.orders import EndReason, OrderStatus


@dataclass(frozen=True, slots=True)
class Payment:
    """An attempt, and its trusted answer: one that proves a charge and names it."""

    attempt: Attempt
    answer: ChargeAnswer

    @property
    def claim(self) -> tuple[str, int]:
        """The order and the fence: one order may be paid twice, under two claims."""
        return self.attempt.claim.order_id, self.attempt.claim.fence


def proves_payment(answer: ChargeAnswer) -> bool:
    """Whether a trusted answer makes a `Payment`."""
    return answer.outcome is Outcome.SUCCEEDED and bool(answer.charge_id)


@dataclass(slots=True)
class Exchanged:
    """What an exchange has done.

    Attributes:
        paid: the payments that are recorded.
        unpaid: those that are not: they are to be recorded one by one.
        attempts: may be sent now.
        others: the ids of due orders that are not plain. `Retrier` works on them.
        crashed: of these, the ones that a process has crashed on.
    """

    paid: list[Payment] = field(default_factory=list)
    unpaid: list[Payment] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)


class BatchClaiming(LedgerBase):
    """The ledger's part for many orders at once. Each order keeps what a transaction of its own would guarantee."""

    _batch: BatchStatements | None = None

    def exchange(
        self,
        payments: Sequence[Payment],
        order_ids: Sequence[str],
        *,
        max_attempts: int | None,
        prepares: bool = False,
    ) -> Exchanged:
        """Record payments, then claim the plain ones of some orders and begin an attempt of each.

        ``max_attempts``: of an order, as in `RetryPolicy`; None: begin none, so that no order is plain. ``prepares`` as
        in `Claiming.begin_attempt`.

        A payment that is not straightforward is not in the result: another order owns its charge, its claim is lost,
        its order is to be cancelled. `Ledger.record` decides it. An order that is not due, or that another process
        has locked, is not in the result either.
        """
        site = self.site if order_ids else ""

        def work(connection: Connection) -> Exchanged:
            done = Exchanged()
            statements = self._statements(connection)
            if payments:
                recorded = self._pay(connection, statements, payments)
                for one in payments:
                    (done.paid if one.claim in recorded else done.unpaid).append(one)
            if order_ids:
                begin = statements.begin_prepared if prepares else statements.begin
                self._claim(connection, statements, order_ids, site, max_attempts, begin, done)
            return done

        return self.database.write(work, name="exchange")

    def undo_attempts(
        self, unsent: Sequence[Attempt], delay: float, *, deferred: bool
    ) -> dict[str, OrderStatus]:
        """Take back attempts that were begun and not sent: they use up nothing. Due again in ``delay`` seconds.

        A ``deferred`` order is counted: the breaker refused the call. Returns the states by order; an order whose
        claim no longer holds is not in it.
        """
        rows = sorted((one.claim.order_id, one.claim.fence, one.number) for one in unsent)

        def work(connection: Connection) -> dict[str, OrderStatus]:
            dialect = connection.dialect.name
            undone = self._undo(dialect, delay, int(deferred))
            states = connection.execute(undone, row_parameters(HELD, rows, connection)).all()
            mine = {row.id for row in states}
            given = given_rows(HELD, dialect).c
            which = tuple_(attempts.c.order_id, attempts.c.number).in_(select(given.id, given.number))
            # Never sent: without an answer, and none can come.
            connection.execute(
                delete(attempts).where(which, or_(attempts.c.outcome.is_(None), UNPROCESSED)),
                row_parameters(HELD, [row for row in rows if row[0] in mine], connection),
            )
            return {row.id: OrderStatus(row.status) for row in states}

        return self.database.write(work, name="undo_attempts")

    def defer_many(self, order_ids: Sequence[str], delay: float) -> list[str]:
        """Defer the due ones of some orders by ``delay`` seconds, because the breaker refuses calls; their ids."""

        def work(connection: Connection) -> list[str]:
            dialect = connection.dialect.name
            due = lock_due(self.clock, dialect, self.gateway).cte("due")
            moment = self.clock.after(delay)
            deferred = (
                update(orders)
                .where(orders.c.id.in_(select(due.c.id)))
                .values(
                    deferral_count=orders.c.deferral_count + 1, next_attempt_at=moment, dispatch_at=moment
                )
                .returning(orders.c.id)
            )
            return list(connection.scalars(deferred, id_parameters(order_ids, connection)))

        return self.database.write(work, name="defer_many")

    def _statements(self, connection: Connection) -> BatchStatements:
        if self._batch is None:
            self._batch = BatchStatements(connection.dialect.name, self.clock, self.lease)
        return self._batch

    def _pay(
        self, connection: Connection, statements: BatchStatements, payments: Sequence[Payment]
    ) -> set[tuple[str, int]]:
        """Record the straightforward ones of some payments; returns their claims."""
        # What another process has locked is left out, so that the others need not wait for it.
        ids = id_parameters([one.attempt.claim.order_id for one in payments], connection)
        free = set(connection.scalars(statements.lock_free, ids))
        payments = [one for one in payments if one.attempt.claim.order_id in free]
        # Charges and orders each in one order: no two exchanges wait for each other.
        by_charge = sorted(payments, key=lambda one: one.answer.charge_id or "")
        owned = [_owned_row(self.account, one) for one in by_charge]
        found = connection.execute(statements.own, row_parameters(OWNED, owned, connection))
        mine = {(row.order_id, row.charge_id) for row in found}
        rows = sorted(row for one in by_charge for row in [_paid_row(one)] if (row[0], row[2]) in mine)
        found = connection.execute(statements.pay, row_parameters(PAID, rows, connection))
        paid = {(row.id, row.fence) for row in found}
        answers = [_answer_row(one) for one in by_charge if one.claim in paid]
        connection.execute(statements.answer, row_parameters(ANSWERED, answers, connection))
        return paid

    def _claim(
        self,
        connection: Connection,
        statements: BatchStatements,
        order_ids: Sequence[str],
        site: str,
        max_attempts: int | None,
        begin: Insert,
        done: Exchanged,
    ) -> None:
        locking = lock_due(self.clock, connection.dialect.name, self.gateway)
        locked = connection.execute(locking, id_parameters(order_ids, connection)).all()
        if not locked:
            return
        ids = id_parameters([row.id for row in locked], connection)
        rows: Sequence[Row[Any]] = ()
        if max_attempts is not None:
            wanted = {**ids, "max_attempts": max_attempts}
            rows = connection.execute(statements.claim(connection), wanted).all()
        if rows:
            claimed = id_parameters([row.id for row in rows], connection)
            connection.execute(begin, claimed)
        done.attempts = [_attempt(row, site) for row in sorted(rows, key=lambda row: str(row.id))]
        plain = {row.id for row in rows}
        done.others = [row.id for row in locked if row.id not in plain and not row.crash_count]
        done.crashed = [row.id for row in locked if row.id not in plain and row.crash_count]

    def _undo(self, dialect: str, delay: float, deferrals: int) -> Any:
        given = given_rows(HELD, dialect).c
        due, now = self.clock.after(delay), self.clock.after(0)
        # Nothing of a plain order may have been charged, so a cancellation takes effect at once.
        cancelled = orders.c.cancel_requested
        undone: Update = (
            update(orders)
            .where(is_held(given), orders.c.attempt_count == given.number)
            .values(
                status=case((cancelled, OrderStatus.CANCELLED.value), else_=OrderStatus.QUEUED.value),
                lease_until=None,
                next_attempt_at=case((cancelled, null()), else_=due),
                dispatch_at=case((cancelled, null()), else_=due),
                settled_at=case((cancelled, now), else_=null()),
                reason=case((cancelled, EndReason.REQUESTED.value), else_=null()),
                attempt_count=orders.c.attempt_count - 1,
                retry_count=orders.c.retry_count - 1,
                deferral_count=orders.c.deferral_count + deferrals,
            )
        )
        return undone.returning(orders.c.id, orders.c.status)


def _attempt(row: Row[Any], site: str) -> Attempt:
    """The attempt of an order that was claimed as `PLAIN`, which says what its progress is not."""
    progress = Progress(
        retries=row.retry_count - row.retry_floor,
        lookups=row.look_up_count - row.look_up_floor,
        key_rotations=row.key_rotations,
    )
    left = seconds_left(row.charge_before, row.now)
    return Attempt(Claim(stored_request(row, site), row.fence, progress, left), row.attempt_count)


def _owned_row(account: str, one: Payment) -> tuple[Any, ...]:
    request = one.attempt.claim.request
    key = request.idempotency_key
    return account, one.answer.charge_id, request.order_id, key, key_shape(key)


def _paid_row(one: Payment) -> tuple[Any, ...]:
    return one.attempt.claim.order_id, one.attempt.claim.fence, one.answer.charge_id


def _answer_row(one: Payment) -> tuple[Any, ...]:
    answer = one.answer
    code, detail = (answer.code or "")[:64] or None, answer.detail[:MAX_ERROR] or None
    return (
        *(one.attempt.claim.order_id, one.attempt.number, code, detail),
        *(answer.charge_id, answer.advice, answer.spends_key),
    )
