"""Records the result of a call: the attempt's outcome and the order's new state, in one transaction."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Update, bindparam, false, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.db.statements import built_once
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest, LookupAnswer, LookupResult, Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.attempt_conditions import UNRESOLVED
from breakwall.payments.ledger.attempt_outcomes import (
    ANY,
    end,
    end_attempt,
    end_parameters,
    end_unanswered,
    last_error,
    newest_unresolved,
    record_key_conflict,
    resolve_attempts,
)
from breakwall.payments.ledger.audit import report_incident, resolved_as_not_charged_since
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.charges import assign_charge, charge_parameters, insert_unless_owned
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.order_state import (
    HELD,
    State,
    Values,
    apply_decision,
    held,
    nothing_counted,
    state_columns,
    told_column,
)
from breakwall.payments.ledger.pruned_orders import bring_back, pruned_by_id
from breakwall.payments.ledger.telling import Caller, CallerLeftError, tells
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.payments.verification import AnyAnswer, contradicted

_FRUITLESS = {LookupResult.PROCESSING, LookupResult.UNAVAILABLE}


class Recorded(NamedTuple):
    """An order's state after an answer was recorded."""

    status: OrderStatus
    charge_id: str | None = None  # If the answer proves a payment: the charge that paid the order.
    reason: str | None = None  # See `State`.


class Recording(LedgerBase):
    """The ledger's part for results. A charge that another order owns pays nothing: it is an incident."""

    def record(
        self,
        attempt: Attempt,
        answer: ChargeAnswer,
        decision: Decision,
        lock_budget: LockBudget | None = None,
        caller: Caller | None = None,
    ) -> Recorded:
        """Record an answer and the state that it leads to; returns the order's state afterwards.

        ``caller``: gets what this returns if it still waits. Otherwise an outcome is written if the order ends.
        """

        def work(connection: Connection) -> Recorded:
            with tells(caller) as telling:
                recorded = self._record(connection, attempt, answer, decision, told=telling.told)
                telling.keep(recorded.status)
            return recorded

        try:
            return self.database.write(work, name="record", lock_budget=lock_budget)
        except CallerLeftError:
            return self.record(attempt, answer, decision, lock_budget)

    def _record(
        self,
        connection: Connection,
        attempt: Attempt,
        answer: ChargeAnswer,
        decision: Decision,
        *,
        told: bool,
    ) -> Recorded:
        claim = attempt.claim
        if self._pay_at_once(connection, attempt, answer, told=told):
            return Recorded(OrderStatus.PAID, answer.charge_id)
        owned = register_charge(connection, self.clock, self.account, claim.request, answer)
        if owned.outcome is Outcome.SUCCEEDED and owned.charge_id:
            paid_by = pay(connection, self.clock, claim, owned.charge_id, told=told)
            end_attempt(connection, self.clock, attempt, owned)
            return Recorded(OrderStatus.PAID, paid_by)
        changes = {**last_error(owned), **_next_key(claim, decision)}
        state = self._apply(connection, claim, decision, owned, changes, told=told)
        end_attempt(connection, self.clock, attempt, owned)
        return Recorded(state.status, reason=state.reason)

    def _pay_at_once(
        self, connection: Connection, attempt: Attempt, answer: ChargeAnswer, *, told: bool
    ) -> bool:
        """Record a payment in one statement, as far as it can be and all is as expected; else return False.

        Then the statements for the unexpected follow. They continue what this one may have begun.
        """
        if connection.dialect.name != "postgresql":  # SQLite has no such statement.
            return False
        if answer.outcome is not Outcome.SUCCEEDED or answer.charge_id is None:
            return False
        request = attempt.claim.request
        parameters = {
            **charge_parameters(self.account, answer.charge_id, request.order_id, request.idempotency_key),
            **held(attempt.claim),
            "paid_by": answer.charge_id,
            **end_parameters(attempt, answer),
        }
        paying = _pay_at_once(self.clock, told=told)
        return connection.scalar(paying, parameters) is not None

    def record_look_up(self, claim: Claim, answer: LookupAnswer, decision: Decision) -> OrderStatus:
        """Record what a look-up found; returns the order's state afterwards."""

        def work(connection: Connection) -> OrderStatus:
            owned = register_charge(connection, self.clock, self.account, claim.request, answer)
            if owned.outcome is Outcome.SUCCEEDED and owned.charge_id:
                pay(connection, self.clock, claim, owned.charge_id)
                status = OrderStatus.PAID
            else:
                is_counted = owned.result in _FRUITLESS and not owned.contradiction
                changes = last_error(owned) if is_counted or owned.contradiction else {}
                counted = _lookup_counted if is_counted else nothing_counted
                status = self._apply(connection, claim, decision, owned, changes, counted).status
            if owned.contradiction:
                record_key_conflict(connection, self.clock, claim, owned)
            elif owned.outcome.is_final:
                resolve_attempts(
                    connection,
                    self.clock,
                    claim.order_id,
                    newest_unresolved(claim.order_id, claim),
                    owned.outcome,
                    ResolvedBy.LOOK_UP,
                    "Looked up afterwards.",
                    owned.charge_id,
                )
            return status

        return self.database.write(work, name="record_look_up")

    def prove_absent(self, claim: Claim, *, cancelled: bool = False) -> Claim | None:
        """Record that no earlier attempt charged, or will. None when the claim no longer holds.

        Only now the key may change. It does if the service may have stored an answer under the old key, and would
        replay it for ever, and if the charge was ``cancelled`` there. Otherwise the key stays, and protects against a
        request that arrives late.
        """
        request, rotations = claim.request, claim.progress.key_rotations
        if claim.progress.key_spent or cancelled:
            rotations += 1
            key = derive_charge_key(claim.order_id, rotations)
            request = replace(request, idempotency_key=key, prepared=None)
        detail = "It was cancelled at the payment service." if cancelled else _ABSENT

        def work(connection: Connection) -> Claim | None:
            proven = update(orders).where(HELD)
            result = connection.execute(
                proven.values(
                    lease_until=self.clock.after(self.lease),
                    charge_key=request.idempotency_key,
                    key_rotations=rotations,
                    suspected_at=None,
                ),
                held(claim),
            )
            if result.rowcount != 1:
                return None
            resolve_attempts(
                connection,
                self.clock,
                claim.order_id,
                UNRESOLVED,
                Outcome.FAILED,
                ResolvedBy.LOOK_UP,
                detail,
            )
            progress = replace(claim.progress.proven_absent(), key_rotations=rotations)
            return replace(claim, request=request, progress=progress)

        return self.database.write(work, name="prove_absent")

    def _apply(
        self,
        connection: Connection,
        claim: Claim,
        decision: Decision,
        answer: ChargeAnswer | LookupAnswer,
        changes: Values,
        counted: Callable[[Clock], Values] = nothing_counted,
        *,
        told: bool = False,
    ) -> State:
        if not answer.contradiction:
            applied = apply_decision(connection, self.clock, claim, decision, changes, counted, told=told)
            return applied or State(_lock_status(connection, claim.order_id))
        review = Decision(OrderStatus.REVIEW, reason=EndReason.WRONG_CHARGE)
        applied = apply_decision(connection, self.clock, claim, review, changes, told=told)
        if applied is None:
            bring_back(connection, claim)
            self._move_to_review(connection, claim.order_id, last_error(answer))
        kind, detail = IncidentKind.WRONG_CHARGE, answer.contradiction
        report_incident(connection, self.clock, claim.order_id, kind, detail)
        return applied or State(_lock_status(connection, claim.order_id))

    def _move_to_review(self, connection: Connection, order_id: str, changes: dict[str, Any]) -> None:
        """Move an order without a claim to review, because a late answer contradicts it. Its fence is raised."""
        unclaimed = orders.c.status.in_([OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.CANCELLED])
        state = state_columns(self.clock, OrderStatus.REVIEW, reason=EndReason.WRONG_CHARGE)
        values = {**state, "fence": orders.c.fence + 1, **changes}
        connection.execute(update(orders).where(orders.c.id == order_id, unclaimed).values(values))


_ABSENT = "Looked up afterwards: there is no such charge."


def _next_key(claim: Claim, decision: Decision) -> dict[str, Any]:
    """The columns of the next key, if a decision wants one."""
    if not decision.rotates_key:
        return {}
    rotations = claim.progress.key_rotations + 1
    return {"charge_key": derive_charge_key(claim.order_id, rotations), "key_rotations": rotations}


def _lookup_counted(clock: Clock) -> Values:
    return {"look_up_count": orders.c.look_up_count + 1, "looked_up_at": clock.after(0)}


def register_charge(
    connection: Connection, clock: Clock, account: str, request: ChargeRequest, answer: AnyAnswer
) -> AnyAnswer:
    """Assign the charge that an answer names to the request's order.

    Returns the answer; a contradicted one if another order owns the charge already.
    """
    charge_id = answer.charge_id
    if charge_id is None or answer.outcome is not Outcome.SUCCEEDED:
        return answer
    owner = assign_charge(connection, clock, account, charge_id, request.order_id, request.idempotency_key)
    if owner is None:
        return answer
    return contradicted(answer, f"the charge {charge_id} is the charge of order {owner}")


def pay(connection: Connection, clock: Clock, claim: Claim, charge_id: str, *, told: bool = False) -> str:
    """Make an order paid. Proof of payment counts in any state, with or without a claim.

    Returns the charge that pays the order: the first one. ``told`` as in `apply_decision`; without the claim the
    outcome is written nevertheless, because an earlier one may have been.
    """
    as_expected = connection.execute(_pay_held(clock, told=told), {**held(claim), "paid_by": charge_id})
    if as_expected.rowcount == 0:
        return _pay_unexpectedly(connection, clock, claim, charge_id)
    return charge_id


@built_once
def _pay_held(clock: Clock, *, told: bool) -> Update:
    paid = _paid(clock).where(HELD, orders.c.cancel_requested.is_(false()))
    return paid.values(told_column()) if told else paid


@built_once
def _pay_at_once(clock: Clock, *, told: bool) -> ReturningUpdate[Any]:
    """Assigns the charge, then pays the order, then ends the attempt: each locks a row only if the one before did."""
    assigned = insert_unless_owned(clock, "postgresql").cte("assigned")
    paying = _pay_held(clock, told=told).where(orders.c.id == assigned.c.order_id)
    paid = paying.returning(orders.c.id).cte("paid")
    ending = end(clock, ANY).where(attempts.c.order_id == paid.c.id)
    return ending.returning(attempts.c.number)


def _paid(clock: Clock) -> Update:
    """Makes orders paid by the charge in the parameter ``paid_by``."""
    proven: Values = {
        "charge_id": bindparam("paid_by"),
        "last_error": None,
        "rejected": False,
        "suspected_at": None,
    }
    return update(orders).values({**state_columns(clock, OrderStatus.PAID), **proven})


def _lost_order(order_id: str) -> LookupError:
    """The error for a result whose order is gone."""
    return LookupError(
        f"order {order_id} is not in the database: its key is forgotten, or this is not the database that accepted it"
    )


def _pay_unexpectedly(connection: Connection, clock: Clock, claim: Claim, charge_id: str) -> str:
    order_id = claim.order_id
    before = _lock(connection, order_id)
    if before is None:
        pruned = pruned_by_id(connection, [order_id]).get(order_id)
        if pruned is not None and pruned.charge_id == charge_id:
            return charge_id
        bring_back(connection, claim)
        before = _lock(connection, order_id)
    if before is None:
        raise _lost_order(order_id)
    if before.status == OrderStatus.PAID:
        if before.charge_id != charge_id:
            detail = f"charged as {before.charge_id} and as {charge_id}: refund one of them"
            report_incident(connection, clock, order_id, IncidentKind.TWO_CHARGES, detail)
        return str(before.charge_id)
    if before.cancel_requested or before.status == OrderStatus.CANCELLED:
        detail = f"charged as {charge_id} although it was to be cancelled: refund it"
        report_incident(connection, clock, order_id, IncidentKind.CHARGED_AFTER_CANCEL, detail)
    elif resolved_as_not_charged_since(connection, order_id, claim.fence):
        detail = f"charged as {charge_id} although a person had resolved it as not charged"
        report_incident(connection, clock, order_id, IncidentKind.CHARGED_AFTER_RESOLUTION, detail)
    paid = _paid(clock).where(orders.c.id == order_id)
    connection.execute(paid, {"paid_by": charge_id})
    # The process that has claimed the order meanwhile may be dead, and a paid order is not reclaimed from it.
    end_unanswered(connection, clock, [order_id], ResolvedBy.PAYMENT)
    return charge_id


def _lock_status(connection: Connection, order_id: str) -> OrderStatus:
    """The order's state, locked until the transaction ends; the last one if it was pruned."""
    # Twice: between the two queries another transaction may restore the order.
    for _ in range(2):
        if order := _lock(connection, order_id):
            return OrderStatus(order.status)
        if pruned := pruned_by_id(connection, [order_id]).get(order_id):
            return pruned.status
    raise _lost_order(order_id)


def _lock(connection: Connection, order_id: str) -> Any:
    return connection.execute(_LOCKED, {"order": order_id}).one_or_none()


_LOCKED = (
    select(orders.c.status, orders.c.charge_id, orders.c.cancel_requested)
    .where(orders.c.id == bindparam("order"))
    .with_for_update()
)
