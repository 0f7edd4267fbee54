"""Answers in the shape of Stripe's, version 2026-10-28, from its documentation; most fields are left out."""

from typing import Any

ORDER_ID = "0" * 31 + "1"


def intent(status: str, **fields: Any) -> dict[str, Any]:
    """A PaymentIntent over $10.00."""
    return {
        "id": "pi_3N1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_capturable": 0,
        "amount_received": 1000 if status == "succeeded" else 0,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "currency": "usd",
        "customer": None,
        "last_payment_error": None,
        "latest_charge": "ch_3N1" if status == "succeeded" else None,
        "livemode": False,
        "metadata": {"breakwall_order_id": ORDER_ID},
        "next_action": None,
        "payment_method": "pm_s3cret",
        "status": status,
        **fields,
    }


INSUFFICIENT_FUNDS = {
    "advice_code": "try_again_later",
    "charge": "ch_3N0",
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "doc_url": "https://stripe.com/docs/error-codes/card-declined",
    "message": "Your card has insufficient funds.",
    "payment_method": {"id": "pm_s3cret", "object": "payment_method"},
    "type": "card_error",
}

DECLINED = {**INSUFFICIENT_FUNDS, "payment_intent": intent("requires_payment_method", payment_method=None)}

AUTHENTICATION_REQUIRED = {
    **DECLINED,
    "code": "authentication_required",
    "decline_code": "authentication_required",
    "message": "Your card was declined. This transaction requires authentication.",
}

UNEXPECTED_STATE = {
    "code": "payment_intent_unexpected_state",
    "doc_url": "https://stripe.com/docs/error-codes/payment-intent-unexpected-state",
    "message": "You cannot confirm this PaymentIntent because it has already succeeded.",
    "payment_intent": intent("succeeded"),
    "type": "invalid_request_error",
}

NO_SUCH_METHOD = {
    "code": "resource_missing",
    "message": "No such PaymentMethod: 'pm_s3cret'",
    "param": "payment_method",
    "type": "invalid_request_error",
}

OTHER_MODE = {
    **NO_SUCH_METHOD,
    "message": "No such PaymentMethod: 'pm_s3cret'; a similar object exists in live mode, but a test mode key was used "
    "to make this request.",
}

NO_SUCH_INTENT = {
    "code": "resource_missing",
    "message": "No such payment_intent: 'pi_3N1'",
    "param": "intent",
    "type": "invalid_request_error",
}

TOO_SMALL = {
    "code": "amount_too_small",
    "message": "Amount must be at least $0.50 usd",
    "param": "amount",
    "type": "invalid_request_error",
}

INVALID_KEY = {
    "message": "Invalid API Key provided: sk_test_****************wr0ng",
    "type": "invalid_request_error",
}

NO_PERMISSION = {
    "message": "The provided key 'rk_test_********abc' does not have the required permissions for this endpoint on "
    "account 'acct_1'. Having the 'rak_payment_intent_write' permission would allow this request to continue.",
    "type": "invalid_request_error",
}

NO_ACCESS = {
    "code": "account_invalid",
    "message": "The provided key 'sk_test_********abc' does not have access to account 'acct_2'.",
    "type": "invalid_request_error",
}

TOO_MANY = {
    "code": "rate_limit",
    "message": "Request rate limit exceeded.",
    "type": "invalid_request_error",
}

LOCK_TIMEOUT = {
    "code": "lock_timeout",
    "message": "This object cannot be accessed right now because another API request is currently accessing it.",
    "type": "invalid_request_error",
}

KEY_IN_USE = {
    "code": "idempotency_key_in_use",
    "message": "There is currently another in-progress request using this Idempotent Key.",
    "type": "idempotency_error",
}

OTHER_PARAMETERS = {
    "message": "Keys for idempotent requests can only be used with the same parameters they were first used with.",
    "type": "idempotency_error",
}

API_ERROR = {"message": "An unknown error occurred.", "type": "api_error"}
