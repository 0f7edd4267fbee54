"""Stripe's events, as hints: which order an event is about, and whether Stripe has signed it."""

from collections.abc import Callable, Mapping
from typing import Any

from stripe import SignatureVerificationError, WebhookSignature

from breakwall.payments.gateways.hints import Hint, HintSignatureError, read_message
from breakwall.payments.gateways.stripe.parameters import ORDER_ID
from breakwall.webhook_signatures import TOLERANCE


class StripeHints:
    """Reads events of Stripe. ``secrets``: those of the webhook endpoint, as texts; without them none is verified.

    The intent's metadata name the order. Stripe copies them to the intent's charges.
    """

    def __init__(self, secrets: Callable[[], list[str]] | None) -> None:
        self._secrets = secrets

    def read_hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """See `HintReadingGateway.read_hint`."""
        if self._secrets is not None and not any(_verifies(one, headers, body) for one in self._secrets()):
            raise HintSignatureError(
                "the event is not signed with BREAKWALL_PAYMENT_HOOK_SECRET, the endpoint's signing secret at Stripe"
            )
        return Hint(_order_id(read_message(headers, body)), verified=self._secrets is not None)

    def close(self) -> None:
        """Nothing is open."""


def _verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        WebhookSignature.verify_header(body, headers.get("stripe-signature"), secret, int(TOLERANCE))
    except (
        SignatureVerificationError,
        UnicodeDecodeError,
        TypeError,
    ):  # the last for a header that is not ASCII
        return False
    return True


def _order_id(event: dict[str, Any]) -> str | None:
    found: Any = event
    for field in ("data", "object", "metadata", ORDER_ID):
        found = found.get(field) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None
