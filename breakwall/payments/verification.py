"""Whether an answer about a charge may be believed: it must tell of this order's charge, and of no other's. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from breakwall.currencies import show_money
from breakwall.payments.gateways.base import (
    Advice,
    Answer,
    ChargeDetails,
    ChargeRequest,
    LookUpAnswer,
    LookUpResult,
    Outcome,
)

Told = TypeVar("Told", Answer, LookUpAnswer)

WRONG_CHARGE = "wrong_charge"
"""The code of an answer that tells of another charge than the order's."""


def checked(answer: Told, request: ChargeRequest) -> Told:
    """The answer; where it tells of another charge than the one that was asked for, as one that proves nothing."""
    if not (says_charged(answer) or _says_declined(answer)):
        return answer
    if says_charged(answer) and not answer.charge_id:
        return contradicted(answer, "it says that it has charged, and not under which id")
    found = contradiction(answer.charge_id, answer.details, request)
    return answer if found is None else contradicted(answer, found)


def contradicted(answer: Told, why: str) -> Told:
    """The answer as one that only a person can make sense of."""
    disbelieved = replace(
        answer,
        advice=Advice.REVIEW,
        code=WRONG_CHARGE,
        detail=f"Not believed: {why}. A person must compare the two.",
        contradiction=why,
    )
    if isinstance(disbelieved, Answer):
        return replace(disbelieved, outcome=Outcome.UNKNOWN, spends_key=True)
    return replace(disbelieved, result=LookUpResult.UNAVAILABLE)


def says_charged(answer: Answer | LookUpAnswer) -> bool:
    """Whether it tells of a charge."""
    if isinstance(answer, Answer):
        return answer.outcome is Outcome.SUCCEEDED
    return answer.result is LookUpResult.SUCCEEDED


def _says_declined(answer: Answer | LookUpAnswer) -> bool:
    if isinstance(answer, Answer):
        return answer.outcome is Outcome.DECLINED
    return answer.result is LookUpResult.DECLINED


def contradiction(charge_id: str | None, details: ChargeDetails, request: ChargeRequest) -> str | None:
    """What the answer names that is not the order's, in a sentence; None where all of it is."""
    order_id, money = _order_id(details, request), _money(details, request)
    if order_id is None and money is None:
        return None
    charge = f"the charge {charge_id}" if charge_id else "the answer"
    said = " and ".join(part for part in (order_id, money) if part)
    return f"{charge} {said}; this order is of {show_money(request.amount, request.currency)}"


def _order_id(details: ChargeDetails, request: ChargeRequest) -> str | None:
    if details.order_id is None or _is_name_of(details.order_id, request):
        return None
    return f"is said to be of order {_shown(details.order_id)}"


def _is_name_of(value: object, request: ChargeRequest) -> bool:
    if not isinstance(value, str):
        return False
    # A column for UUIDs writes our 32 hexadecimal digits with dashes, or in capitals.
    return value.replace("-", "").lower() == request.order_id or value == request.reference


def _money(details: ChargeDetails, request: ChargeRequest) -> str | None:
    amount, currency = details.amount, details.currency
    same_amount = amount is None or _whole_number(amount) == request.amount
    same_currency = currency is None or (
        isinstance(currency, str) and currency.strip().upper() == request.currency
    )
    if same_amount and same_currency:
        return None
    named = [_shown(part) for part in (amount, currency) if part is not None]
    return f"is said to be of {' '.join(named)} (minor units)"


def _whole_number(value: object) -> int | None:
    # Digits in quotes are the same number; with a decimal point it might be of another unit.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    # It comes from outside and goes into a text that people read: short, and without what a terminal obeys.
    return ascii(value)[:40]
