from __future__ import annotations

import json
import time

import pytest
from stripe import WebhookSignature

from breakwall.payments.gateways.hints import Hint, HintSignatureError
from breakwall.payments.gateways.stripe.hints import StripeHints

OLD, NEW = "whsec_" + "a" * 32, "whsec_" + "b" * 32
INTENT = {"object": "payment_intent", "id": "pi_1", "metadata": {"breakwall_order_id": "o1"}}
EVENT = json.dumps({"type": "payment_intent.succeeded", "data": {"object": INTENT}})


def signed(secret: str = OLD, event: str = EVENT, *, age: float = 0) -> dict[str, str]:
    at = int(time.time() - age)
    return {"stripe-signature": WebhookSignature.generate_signature_header(event, secret, at)}


def not_ascii() -> dict[str, str]:
    return {"stripe-signature": f"t={int(time.time())},v1=é"}


def test_an_event_names_the_order_of_its_intent() -> None:
    assert StripeHints(lambda: [OLD]).read_hint(signed(), EVENT.encode()) == Hint("o1", verified=True)


def test_an_event_may_be_signed_with_either_secret_while_they_rotate() -> None:
    assert StripeHints(lambda: [OLD, NEW]).read_hint(signed(NEW), EVENT.encode()).verified


@pytest.mark.parametrize(
    "headers",
    [{}, signed(NEW), signed(event="{}"), signed(age=400), {"stripe-signature": "t=x,v1"}, not_ascii()],
)
def test_an_event_that_stripe_has_not_just_signed_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(HintSignatureError, match="signing secret"):
        StripeHints(lambda: [OLD]).read_hint(headers, EVENT.encode())


def test_an_event_that_is_no_text_is_refused() -> None:
    with pytest.raises(HintSignatureError):
        StripeHints(lambda: [OLD]).read_hint(signed(), b"\xff")


@pytest.mark.parametrize(
    "event", ["{}", '{"data": []}', '{"data": {"object": {"metadata": {"breakwall_order_id": 7}}}}']
)
def test_an_event_about_something_else_names_no_order(event: str) -> None:
    assert StripeHints(lambda: [OLD]).read_hint(signed(event=event), event.encode()) == Hint(
        None, verified=True
    )


def test_without_a_secret_no_event_is_verified() -> None:
    assert StripeHints(None).read_hint({}, EVENT.encode()) == Hint("o1", verified=False)
