"""What a PaymentIntent in an answer of Stripe's says about the charge. Pure functions.

Its status decides. Stripe's texts are never repeated: they may name payment methods.
"""

from collections.abc import Mapping
from typing import Any

from breakwall.payments.gateways.answer_bodies import UNREADABLE, excerpt, find_code
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeDetails,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.gateways.lookup_answers import OTHER_STATUS
from breakwall.payments.gateways.stripe.amounts import from_stripe
from breakwall.payments.gateways.stripe.parameters import ORDER_ID

Intent = Mapping[str, Any]

AUTHENTICATION_REQUIRED = "authentication_required"  # Stripe's code of the same decline, off session.
CANCELED = "canceled"

_LONGEST_ID = 255
# `requires_capture` can only be made by other programs: ours captures at once.
_RUNNING = frozenset({"processing", "requires_capture"})
_NOT_CONFIRMED = frozenset({"requires_confirmation", "requires_payment_method"})
_CAN_STILL_CHARGE = frozenset({"requires_confirmation", "requires_action"})


def needs_the_customer(intent: Intent) -> bool:
    """Whether the charge waits for the customer, who is not there."""
    return intent.get("status") == "requires_action"


def can_still_charge(intent: Intent) -> bool:
    """Whether the intent has a payment method that one more request, of anybody, would charge."""
    return intent.get("status") in _CAN_STILL_CHARGE


def intent_id(intent: Intent) -> str | None:
    """The intent's id; None if it is unusable."""
    return _id(intent.get("id"))


def details_of(intent: Intent) -> ChargeDetails:
    """What the intent says of itself, in our units. The amount of a charge that succeeded is what was received."""
    currency, amount = intent.get("currency"), intent.get("amount")
    if intent.get("status") == "succeeded" and intent.get("amount_received") is not None:
        amount = intent["amount_received"]  # less than the amount, if only a part was captured
    metadata = intent.get("metadata")
    order_id = metadata.get(ORDER_ID) if isinstance(metadata, Mapping) else None
    return ChargeDetails(order_id, from_stripe(amount, currency), currency)


def read_intent(intent: Intent) -> LookupAnswer:
    """What the intent says about its charge.

    A confirmation that was declined leaves its error in the intent, also when the intent is cancelled later.
    """
    status = intent.get("status")
    if status == "succeeded":
        return _succeeded(intent)
    if status in _RUNNING or needs_the_customer(intent):
        return LookupAnswer(LookupResult.PROCESSING, Health.SUCCESS, code=status)
    if status in _NOT_CONFIRMED | {CANCELED}:
        return _uncharged(intent, str(status))
    detail = f"Stripe knows the charge as {excerpt(str(status))}, which says neither paid nor declined."
    return LookupAnswer(
        LookupResult.UNAVAILABLE,
        Health.NEUTRAL,
        intent_id(intent),
        code=OTHER_STATUS,
        detail=detail,
    )


def as_charge(found: LookupAnswer) -> ChargeAnswer:
    """The answer to a confirmation whose intent was ``found`` so."""
    if found.outcome is Outcome.SUCCEEDED:
        return ChargeAnswer(found.outcome, found.health, found.charge_id, details=found.details)
    if found.outcome is Outcome.DECLINED:
        return declined(found.code, found.details)
    if found.result is LookupResult.CANCELLED:
        return _cancelled()
    detail = found.detail or "Stripe has not finished the charge yet."
    advice = found.advice if found.result is LookupResult.UNAVAILABLE else Advice.LOOK_AGAIN
    return ChargeAnswer(Outcome.UNKNOWN, found.health, code=found.code, detail=detail, advice=advice)


def _cancelled() -> ChargeAnswer:
    """Only a look-up may prove a cancellation: it resolves the attempts before this one too.

    Stripe's stored answers may hide it from another confirmation, so the next charge needs another key and intent.
    """
    return ChargeAnswer(
        Outcome.UNKNOWN,
        Health.SUCCESS,
        code=CANCELED,
        detail="The charge was cancelled at Stripe; its look-up will show that.",
        advice=Advice.LOOK_AGAIN,
        spends_key=True,
    )


def declined(code: str | None, details: ChargeDetails) -> ChargeAnswer:
    """The answer of a decline."""
    detail = "The payment was declined."
    if code == AUTHENTICATION_REQUIRED:
        detail = (
            "The customer's bank wants the customer to confirm the payment, and the customer is not there."
        )
    return ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code=code, detail=detail, details=details)


def as_look_up(decline: ChargeAnswer) -> LookupAnswer:
    """A decline as the answer to a look-up."""
    return LookupAnswer(
        LookupResult.DECLINED,
        decline.health,
        code=decline.code,
        detail=decline.detail,
        details=decline.details,
    )


def _succeeded(intent: Intent) -> LookupAnswer:
    latest = intent.get("latest_charge")
    # An expanded one is an object with an id.
    charge_id = _id(latest.get("id") if isinstance(latest, Mapping) else latest)
    if charge_id is None:
        detail = "Stripe says that the charge succeeded, but its `latest_charge` is missing or unusable."
        return LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code=UNREADABLE, detail=detail)
    return LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id, details=details_of(intent))


def _uncharged(intent: Intent, status: str) -> LookupAnswer:
    error = intent.get("last_payment_error")
    if isinstance(error, Mapping) and status != "requires_confirmation":
        return as_look_up(declined(find_code(error) or "declined", details_of(intent)))
    result = LookupResult.CANCELLED if status == CANCELED else LookupResult.PREPARED
    return LookupAnswer(result, Health.SUCCESS, code=status)


def _id(value: object) -> str | None:
    usable = isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= _LONGEST_ID
    return str(value) if usable else None
