"""Writing down how an order left a claim: paid, put off or ended. Each function is part of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Update, false, func, select, update

from breakwall.payments.actions import IncidentKind
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import SettledBy, attempts, orders
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Advice, ChargeRequest, LookUpAnswer, LookUpResult, Outcome
from breakwall.payments.ledger.attempt_conditions import UNSETTLED
from breakwall.payments.ledger.attempt_rows import MAX_ERROR
from breakwall.payments.ledger.audit import report_incident, resolved_as_not_charged_since
from breakwall.payments.ledger.charges import take_charge
from breakwall.payments.ledger.claims import Claim, held
from breakwall.payments.ledger.pruned import bring_back, pruned_by_id
from breakwall.payments.orders import OrderStatus
from breakwall.payments.verification import Told, contradicted, says_charged


def own_charge(
    connection: Connection, clock: Clock, account: str, request: ChargeRequest, answer: Told
) -> Told:
    """Make the charge that an answer tells of the order's own. Returns the answer, as one that is contradicted
    where the charge is another order's already."""
    charge_id = answer.charge_id
    if charge_id is None or not says_charged(answer):
        return answer
    owner = take_charge(connection, clock, account, charge_id, request.order_id, request.idempotency_key)
    if owner is None:
        return answer
    return contradicted(answer, f"the charge {charge_id} is the charge of order {owner}")


def leave(
    connection: Connection, clock: Clock, claim: Claim, verdict: Verdict, told: dict[str, Any]
) -> OrderStatus | None:
    """Give an order the state of a verdict, and return it. None when the claim no longer holds.

    Where nothing was charged and a person has asked meanwhile for the order to be cancelled, it is: also while
    the circuit is open, when its next turn is far off.
    """
    if verdict.uncharged and _cancellation_is_asked_for(connection, claim):
        verdict = Verdict(OrderStatus.CANCELLED)
    left = update(orders).where(*held(claim)).values({**_state(clock, verdict), **told})
    return verdict.status if connection.execute(left).rowcount else None


def pay(connection: Connection, clock: Clock, claim: Claim, charge_id: str) -> str:
    """Proof of payment counts whoever brings it and whatever the order's state is by now.

    Returns the charge that the order is paid by: the first one.
    """
    paid = {**_state(clock, Verdict(OrderStatus.PAID)), "charge_id": charge_id, **_SETTLED}
    as_expected = connection.execute(
        update(orders).where(*held(claim), orders.c.cancel_requested.is_(false())).values(paid)
    )
    if as_expected.rowcount == 0:
        return _pay_against_expectation(connection, clock, claim, paid)
    return charge_id


_GONE = (
    "order {} is not in the database: that is another one than it was accepted in, or its key is forgotten"
)

_SETTLED = {"last_error": None, "rejected": False, "suspected_at": None}


def settle_newest(connection: Connection, claim: Claim, answer: LookUpAnswer) -> None:
    """Write what a look-up found to the newest attempt that it can belong to."""
    found = Outcome.SUCCEEDED if answer.result is LookUpResult.SUCCEEDED else Outcome.DECLINED
    connection.execute(
        _newest_before(claim).values(
            outcome=found,
            charge_id=answer.charge_id,
            settled_by=SettledBy.LOOK_UP,
            detail="Looked up afterwards.",
        )
    )


def dispute_newest(connection: Connection, clock: Clock, claim: Claim, answer: LookUpAnswer) -> None:
    """Write to the same attempt that its key leads to what is not the order's: nobody looks it up again."""
    connection.execute(
        _newest_before(claim).values(
            outcome=Outcome.UNKNOWN,
            finished_at=func.coalesce(attempts.c.finished_at, clock.after(0)),
            advice=Advice.REVIEW,
            spends_key=True,
            charge_id=answer.charge_id,
            code=answer.code,
            detail=answer.detail[:MAX_ERROR],
        )
    )


def leave_to_a_person(connection: Connection, clock: Clock, order_id: str, told: dict[str, Any]) -> None:
    """Put an order into review that nobody works on: what contradicts it has come late. Its fence is raised."""
    unclaimed = orders.c.status.in_([OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.CANCELLED])
    values = {**_state(clock, Verdict(OrderStatus.REVIEW)), "fence": orders.c.fence + 1, **told}
    connection.execute(update(orders).where(orders.c.id == order_id, unclaimed).values(values))


_ENDS = {
    SettledBy.LEASE: "No answer was recorded: the process that sent it ended or lost its claim.",
    SettledBy.PAYMENT: "No answer was recorded before the order was paid otherwise.",
}


def end_unanswered(connection: Connection, clock: Clock, order_ids: Sequence[str], by: SettledBy) -> None:
    """Make attempts that nobody has answered yet unknown ones; an answer that comes later still counts."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id.in_(order_ids), attempts.c.outcome.is_(None))
        .values(
            outcome=Outcome.UNKNOWN,
            finished_at=clock.after(0),
            advice=Advice.RETRY,
            spends_key=False,
            settled_by=by,
            detail=_ENDS[by],
        )
    )


def lock_status(connection: Connection, order_id: str) -> OrderStatus:
    """The order's state, which nobody else changes until the transaction ends; of a pruned order how it ended."""
    # Twice: between the two looks somebody may bring the order back.
    for _ in range(2):
        status = connection.scalar(select(orders.c.status).where(orders.c.id == order_id).with_for_update())
        if status is not None:
            return OrderStatus(status)
        if pruned := pruned_by_id(connection, [order_id]).get(order_id):
            return pruned.status
    raise LookupError(_GONE.format(order_id))


def _cancellation_is_asked_for(connection: Connection, claim: Claim) -> bool:
    asked = select(orders.c.cancel_requested).where(*held(claim)).with_for_update()
    return bool(connection.scalar(asked))


def _newest_before(claim: Claim) -> Update:
    """An update of the newest attempt that may have charged and is older than the claim."""
    newest = (
        select(func.max(attempts.c.number))
        .where(attempts.c.order_id == claim.order_id, attempts.c.fence < claim.fence, UNSETTLED)
        .scalar_subquery()
    )
    return update(attempts).where(attempts.c.order_id == claim.order_id, attempts.c.number == newest)


def _state(clock: Clock, verdict: Verdict) -> dict[str, Any]:
    waits = verdict.status is OrderStatus.QUEUED
    due = clock.after(verdict.delay) if waits else None
    return {
        "status": verdict.status,
        "lease_until": None,
        "next_attempt_at": due,
        "dispatch_at": due,
        "settled_at": None if waits else clock.after(0),
    }


def _locked(connection: Connection, order_id: str) -> Any:
    """The order's state, charge and whether it is to be cancelled, locked; None where it is not there."""
    columns = orders.c.status, orders.c.charge_id, orders.c.cancel_requested
    return connection.execute(select(*columns).where(orders.c.id == order_id).with_for_update()).one_or_none()


def _pay_against_expectation(connection: Connection, clock: Clock, claim: Claim, paid: dict[str, Any]) -> str:
    order_id = claim.order_id
    charge_id: str = paid["charge_id"]
    before = _locked(connection, order_id)
    if before is None:
        pruned = pruned_by_id(connection, [order_id]).get(order_id)
        if pruned is not None and pruned.charge_id == charge_id:
            return charge_id
        bring_back(connection, claim)
        before = _locked(connection, order_id)
    if before is None:
        raise LookupError(_GONE.format(order_id))
    if before.status == OrderStatus.PAID:
        if before.charge_id != charge_id:
            detail = f"charged as {before.charge_id} and as {charge_id}: refund one of them"
            report_incident(connection, clock, order_id, IncidentKind.TWO_CHARGES, detail)
        return str(before.charge_id)
    if before.cancel_requested:
        detail = f"charged as {charge_id} although it was to be cancelled: refund it"
        report_incident(connection, clock, order_id, IncidentKind.CHARGED_AFTER_CANCEL, detail)
    elif resolved_as_not_charged_since(connection, order_id, claim.fence):
        detail = f"charged as {charge_id} although a person had resolved it as not charged"
        report_incident(connection, clock, order_id, IncidentKind.CHARGED_AFTER_RESOLUTION, detail)
    connection.execute(update(orders).where(orders.c.id == order_id).values(paid))
    # Whoever has claimed the order meanwhile may be dead, and nobody takes a paid order back from it.
    end_unanswered(connection, clock, [order_id], SettledBy.PAYMENT)
    return charge_id
