"""The signatures are those that the package `standardwebhooks` verifies."""

from __future__ import annotations

import base64
import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from breakwall.payments.outcomes.signature import sign
from breakwall.webhook_secrets import parse_secrets

OLD, NEW = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))
BODY = '{"type":"order.paid","data":{"user_id":"Zoë"}}'.encode()


def headers(secrets: str, body: bytes = BODY) -> dict[str, str]:
    now = int(time.time())
    return {
        "webhook-id": "evt_1_a",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(parse_secrets(secrets), "evt_1_a", now, body),
    }


def test_a_receiver_verifies_it() -> None:
    assert Webhook(OLD).verify(BODY, headers(OLD)) == json.loads(BODY)


@pytest.mark.parametrize("known", [OLD, NEW])
def test_while_secrets_rotate_either_of_them_verifies_it(known: str) -> None:
    Webhook(known).verify(BODY, headers(f"{OLD} {NEW}"))


def test_another_body_is_not_verified() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(BODY + b" ", headers(OLD))
