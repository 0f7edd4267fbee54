"""What the rows say of an answer: the attempt that it ends, and the order's last error."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, true, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import attempts
from breakwall.payments.gateways.base import Advice, Answer, LookUpAnswer, Outcome
from breakwall.payments.ledger.attempt_conditions import LEADS_ELSEWHERE, UNSETTLED
from breakwall.payments.ledger.claims import Attempt

MAX_ERROR = 500


def end_attempt(connection: Connection, clock: Clock, attempt: Attempt, answer: Answer) -> None:
    """Write an answer, which may be late, to its attempt, unless more is known of that by now."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id == attempt.claim.order_id, attempts.c.number == attempt.number)
        .where(_open_to(answer))
        .values(
            finished_at=clock.after(0),
            outcome=answer.outcome,
            code=_clip(answer.code, 64),
            detail=_clip(answer.detail),
            charge_id=answer.charge_id,
            advice=answer.advice,
            spends_key=answer.spends_key,
            settled_by=None,
        )
    )


def last_error(answer: Answer | LookUpAnswer) -> dict[str, Any]:
    """What an order's row says of the last answer."""
    text = ": ".join(part for part in (answer.code, answer.detail) if part)
    return {"last_error": _clip(text), "rejected": answer.advice is Advice.RECONFIGURE}


def _clip(text: str | None, limit: int = MAX_ERROR) -> str | None:
    return text[:limit] if text else None


def _open_to(answer: Answer) -> ColumnElement[bool]:
    """The condition on an attempt that an answer, which may be late, is written to it."""
    if answer.outcome is Outcome.SUCCEEDED:
        return true()
    if answer.contradiction:
        # It tells of a charge, which a look-up that found none does not outweigh.
        return or_(UNSETTLED, attempts.c.outcome.not_in([Outcome.SUCCEEDED, Outcome.DECLINED]))
    if answer.outcome is Outcome.UNKNOWN:
        # "I do not know" must not undo what a look-up has proven since, or has found wrong.
        return and_(UNSETTLED, ~LEADS_ELSEWHERE)
    return attempts.c.outcome.is_distinct_from(Outcome.SUCCEEDED)
