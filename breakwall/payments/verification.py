"""Whether an answer is trusted: it must name this order's charge, and no other's. Pure."""

from dataclasses import replace
from typing import TypeVar

from breakwall.currencies import show_money
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeDetails,
    ChargeRequest,
    LookupAnswer,
    LookupResult,
    Outcome,
)

AnyAnswer = TypeVar("AnyAnswer", ChargeAnswer, LookupAnswer)

WRONG_CHARGE = "wrong_charge"  # The code of an answer that names another charge than the order's.


def verified(answer: AnyAnswer, request: ChargeRequest) -> AnyAnswer:
    """The answer; if it contradicts the request, one that proves nothing."""
    if not answer.outcome.is_final:
        return answer
    if answer.outcome is Outcome.SUCCEEDED and not answer.charge_id:
        return contradicted(answer, 'the answer says "succeeded" but has no charge id')
    found = find_contradiction(answer.charge_id, answer.details, request)
    return answer if found is None else contradicted(answer, found)


def contradicted(answer: AnyAnswer, why: str) -> AnyAnswer:
    """The answer as one that proves nothing and that a person must check."""
    unproven = replace(
        answer,
        advice=Advice.REVIEW,
        code=WRONG_CHARGE,
        detail=f"Not trusted: {why}. A person must compare the two.",
        contradiction=why,
    )
    if isinstance(unproven, ChargeAnswer):
        return replace(unproven, outcome=Outcome.UNKNOWN, spends_key=True)
    return replace(unproven, result=LookupResult.UNAVAILABLE)


def find_contradiction(charge_id: str | None, details: ChargeDetails, request: ChargeRequest) -> str | None:
    """A sentence that says which of the answer's details are not the order's; None if all of them are."""
    order_id, money = _other_order_id(details, request), _other_money(details, request)
    if order_id is None and money is None:
        return None
    charge = f"the charge {charge_id}" if charge_id else "the answer"
    named = " and ".join(part for part in (order_id, money) if part)
    return f"{charge} {named}; this order is of {show_money(request.amount, request.currency)}"


def _other_order_id(details: ChargeDetails, request: ChargeRequest) -> str | None:
    if details.order_id is None or _is_name_of(details.order_id, request):
        return None
    return f"is said to be of order {_shown(details.order_id)}"


def _is_name_of(value: object, request: ChargeRequest) -> bool:
    if not isinstance(value, str):
        return False
    # A column for UUIDs writes our 32 hexadecimal digits with dashes, or in capitals.
    return value.replace("-", "").lower() == request.order_id or value == request.reference


def _other_money(details: ChargeDetails, request: ChargeRequest) -> str | None:
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
    # A string of digits is the same number. With a decimal point it might be in another unit.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    # It comes from outside, and goes into a text for people: short, without control sequences for terminals.
    return ascii(value)[:40]
