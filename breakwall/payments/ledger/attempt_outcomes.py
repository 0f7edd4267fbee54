"""Gives attempts an outcome: from their answer, from a look-up or a person, or because no answer came."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    type_coerce,
    update,
)

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import ResolvedBy, attempts
from breakwall.payments.db.statements import built_once
from breakwall.payments.gateways.base import Advice, ChargeAnswer, LookupAnswer, Outcome
from breakwall.payments.ledger.attempt_conditions import FINAL, KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.claim import Attempt, Claim

MAX_ERROR = 500
NOT_CONFIRMED = (
    "not_confirmed"  # The code of an attempt whose charge is being prepared, or was never confirmed.
)

_UNANSWERED = {
    ResolvedBy.LEASE: "No answer was recorded: the process that sent it ended or lost its claim.",
    ResolvedBy.PAYMENT: "No answer was recorded before the order was paid otherwise.",
}


def end_attempt(connection: Connection, clock: Clock, attempt: Attempt, answer: ChargeAnswer) -> None:
    """Record an answer at its attempt. It may be late; then it does not replace what proves more."""
    connection.execute(end(clock, _replaceable_by(answer)), end_parameters(attempt, answer))


def end_parameters(attempt: Attempt, answer: ChargeAnswer) -> dict[str, Any]:
    """The parameters of `end`."""
    return {
        "ended_order": attempt.claim.order_id,
        "ended_number": attempt.number,
        "outcome": answer.outcome,
        "code": _cut(answer.code, 64),
        "detail": _cut(answer.detail),
        "charge_id": answer.charge_id,
        "advice": answer.advice,
        "spends_key": answer.spends_key,
        "settled_by": None,
    }


@built_once
def end(clock: Clock, replaceable: ColumnElement[bool]) -> Update:
    """Ends an attempt that is ``replaceable``: sets ``finished_at``, and the columns that are parameters."""
    this_one = and_(
        attempts.c.order_id == bindparam("ended_order"), attempts.c.number == bindparam("ended_number")
    )
    return update(attempts).where(this_one, replaceable).values(finished_at=clock.after(0))


def last_error(answer: ChargeAnswer | LookupAnswer) -> dict[str, Any]:
    """The columns of an order that hold its last answer."""
    text = ": ".join(part for part in (answer.code, answer.detail) if part)
    return {"last_error": _cut(text), "rejected": answer.advice is Advice.RECONFIGURE}


def resolve_attempts(
    connection: Connection,
    clock: Clock,
    order_id: str,
    which: ColumnElement[bool],
    outcome: Outcome,
    by: ResolvedBy,
    detail: str,
    charge_id: str | None = None,
) -> None:
    """Give attempts of an order the outcome that a look-up or a person found."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id == order_id, which)
        .values(
            outcome=outcome,
            finished_at=func.coalesce(attempts.c.finished_at, clock.after(0)),
            settled_by=by,
            detail=detail,
            charge_id=charge_id,
        )
    )


def newest_unresolved(order_id: str, before: Claim | None = None) -> ColumnElement[bool]:
    """The condition on the order's newest unresolved attempt; only those ``before`` a claim if one is given."""
    older = () if before is None else (attempts.c.fence < before.fence,)
    newest = select(func.max(attempts.c.number)).where(attempts.c.order_id == order_id, UNRESOLVED, *older)
    return attempts.c.number == newest.scalar_subquery()


def declined_code(connection: Connection, order_id: str) -> str | None:
    """The payment service's code in the newest answer that declined an order."""
    declined = attempts.c.order_id == order_id, attempts.c.outcome == Outcome.DECLINED
    newest = select(attempts.c.code).where(*declined).order_by(attempts.c.number.desc()).limit(1)
    return connection.scalar(newest)


def record_key_conflict(connection: Connection, clock: Clock, claim: Claim, answer: LookupAnswer) -> None:
    """Record at the newest unresolved attempt that a look-up found another order's charge: no look-up follows."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id == claim.order_id, newest_unresolved(claim.order_id, claim))
        .values(
            outcome=Outcome.UNKNOWN,
            finished_at=func.coalesce(attempts.c.finished_at, clock.after(0)),
            advice=Advice.REVIEW,
            spends_key=True,
            charge_id=answer.charge_id,
            code=answer.code,
            detail=_cut(answer.detail),
        )
    )


def end_unanswered(connection: Connection, clock: Clock, order_ids: Sequence[str], by: ResolvedBy) -> None:
    """Give attempts without an answer the outcome unknown. An answer that comes later still counts."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id.in_(order_ids), attempts.c.outcome.is_(None))
        .values(
            outcome=Outcome.UNKNOWN,
            finished_at=clock.after(0),
            advice=Advice.RETRY,
            spends_key=False,
            settled_by=by,
            detail=_UNANSWERED[by],
        )
    )


_UNCONFIRMED: dict[str, Any] = {
    "outcome": Outcome.NOT_SENT.value,
    "code": NOT_CONFIRMED,
    "detail": "It was not confirmed: it is being prepared now, or its process ended before. Nothing was charged.",
    "advice": Advice.RETRY.value,
    "spends_key": False,
}

CONFIRMED = (
    update(attempts)
    .where(
        attempts.c.order_id == bindparam("confirmed_order"),
        attempts.c.number == bindparam("confirmed_number"),
        attempts.c.outcome == _UNCONFIRMED["outcome"],
    )
    .values(prepared=bindparam("prepared"), finished_at=None, **dict.fromkeys(_UNCONFIRMED))
)


def unconfirmed(clock: Clock) -> dict[str, ColumnElement[Any]]:
    """The columns of an attempt that is to prepare a charge first.

    Until `Claiming.confirm` it has charged nothing, and a crash leaves it so.
    """
    values = {
        name: type_coerce(literal(value), attempts.c[name].type) for name, value in _UNCONFIRMED.items()
    }
    return {**values, "finished_at": clock.after(0)}


ANY = true()
# An answer with a contradiction names a charge. A look-up that found none proves less.
_BY_CONTRADICTION = or_(UNRESOLVED, not_(FINAL))
# An unresolved answer must not undo what a look-up has proven since, nor a key conflict.
_BY_UNRESOLVED = and_(UNRESOLVED, ~KEY_CONFLICT)
_BY_RESOLVED = attempts.c.outcome.is_distinct_from(Outcome.SUCCEEDED)


def _replaceable_by(answer: ChargeAnswer) -> ColumnElement[bool]:
    """The condition on an attempt that a late answer replaces what is recorded there."""
    if answer.outcome is Outcome.SUCCEEDED:
        return ANY
    if answer.contradiction:
        return _BY_CONTRADICTION
    return _BY_RESOLVED if answer.outcome.is_resolved else _BY_UNRESOLVED


def _cut(text: str | None, limit: int = MAX_ERROR) -> str | None:
    return text[:limit] if text else None
