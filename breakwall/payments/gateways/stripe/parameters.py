"""What is sent to Stripe for an order. The same request always gives the same bytes, as its keys demand."""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.gateways.stripe.amounts import NotChargeableError, to_stripe
from breakwall.payments.gateways.wire_keys import wire_key
from breakwall.pickling import Picklable

if TYPE_CHECKING:
    from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams

# In the intent's metadata, beside those of the order.
ORDER_ID, REFERENCE = "breakwall_order_id", "breakwall_reference"
# The order's metadata with this name is sent as the customer to whom the payment method belongs.
CUSTOMER = "stripe_customer"

_LONGEST_KEY = 255
_MAX_METADATA = 50


class NotSendableError(Picklable, ValueError):
    """Stripe would refuse this order. The text says why, without the order's details; ``code`` is short."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def create_parameters(request: ChargeRequest) -> "PaymentIntentCreateParams":
    """The parameters of an unconfirmed intent for an order.

    Raises:
        NotSendableError: the order has no payment method, or an amount or metadata that Stripe cannot take.
    """
    if request.payment_method is None:
        raise NotSendableError("no_payment_method", "The order has no payment_method, which Stripe charges.")
    parameters: PaymentIntentCreateParams = {
        "amount": _amount(request),
        "currency": request.currency.lower(),
        "payment_method": request.payment_method,
        # Without this, a payment method could send the customer to a page of its own, and wait there.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": _metadata(request),
    }
    if request.description is not None:
        parameters["description"] = request.description
    if customer := (request.metadata or {}).get(CUSTOMER):
        parameters["customer"] = customer
    return parameters


def confirm_parameters(*, off_session: bool) -> "PaymentIntentConfirmParams":
    """The parameters of a confirmation. The payment method is not among them: after a decline, the intent has none, so
    that a confirmation that arrives late charges nothing."""
    parameters: PaymentIntentConfirmParams = {"error_on_requires_action": True}
    if off_session:
        parameters["off_session"] = True
    return parameters


def create_key(request: ChargeRequest) -> str:
    """The idempotency key of the request that creates the order's intent."""
    return _key(request, "create")


def confirm_key(request: ChargeRequest) -> str:
    """The idempotency key of the request that confirms the order's intent. Another intent has another key."""
    return _key(request, f"confirm-{request.prepared}")


def _key(request: ChargeRequest, action: str) -> str:
    key = f"{wire_key(request.idempotency_key)}-{action}"
    # Keys of the shop's own can be too long.
    return key if len(key) <= _LONGEST_KEY else sha256(key.encode()).hexdigest()


def _amount(request: ChargeRequest) -> int:
    try:
        return to_stripe(request.amount, request.currency)
    except NotChargeableError as error:
        raise NotSendableError("amount_not_chargeable", str(error)) from None


def _metadata(request: ChargeRequest) -> dict[str, str]:
    own = {name: value for name, value in (request.metadata or {}).items() if name != CUSTOMER}
    _check_names(own)
    ours: dict[str, Any] = {ORDER_ID: request.order_id, REFERENCE: request.reference}
    return {**own, **{name: value for name, value in ours.items() if value is not None}}


def _check_names(metadata: Mapping[str, str]) -> None:
    if any("[" in name or "]" in name for name in metadata):
        raise NotSendableError(
            "metadata_not_sendable", "Stripe takes no metadata with a square bracket in its name."
        )
    if {ORDER_ID, REFERENCE} & metadata.keys():
        raise NotSendableError(
            "metadata_not_sendable", f"The metadata {ORDER_ID} and {REFERENCE} are set by Breakwall."
        )
    if len(metadata) > _MAX_METADATA - 2:
        raise NotSendableError("metadata_not_sendable", f"Stripe takes at most {_MAX_METADATA} metadata.")
