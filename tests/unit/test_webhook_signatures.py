"""The signatures are those that the package `standardwebhooks` verifies."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from breakwall.webhook_secrets import parse_secrets
from breakwall.webhook_signatures import TOLERANCE, is_signed, sign

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


class TestAMessageOfOthers:
    """Signed by the package `standardwebhooks`, as a payment service would."""

    AT = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def signed(self, secret: str = OLD) -> dict[str, str]:
        signature = Webhook(secret).sign("msg_1", self.AT, BODY.decode())
        moment = str(int(self.AT.timestamp()))
        return {"webhook-id": "msg_1", "webhook-timestamp": moment, "webhook-signature": signature}

    def check(
        self, headers: dict[str, str], *, body: bytes = BODY, known: str = OLD, late: float = 0.0
    ) -> bool:
        return is_signed(parse_secrets(known), headers, body, self.AT.timestamp() + late)

    def test_is_signed(self) -> None:
        assert self.check(self.signed())

    @pytest.mark.parametrize("used", [OLD, NEW])
    def test_is_signed_with_either_secret_while_they_rotate(self, used: str) -> None:
        assert self.check(self.signed(used), known=f"{OLD} {NEW}")

    def test_is_not_signed_with_another_secret(self) -> None:
        assert not self.check(self.signed(NEW))

    def test_is_not_signed_for_another_body(self) -> None:
        assert not self.check(self.signed(), body=BODY + b" ")

    @pytest.mark.parametrize("late", [-TOLERANCE - 1, TOLERANCE + 1])
    def test_is_not_signed_at_another_time(self, late: float) -> None:
        assert not self.check(self.signed(), late=late)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    @pytest.mark.parametrize("value", [None, "", "x", "é", "١٢", "9" * 400, "v1,", "v1,AAAA v1a,AAAA"])
    def test_is_not_signed_with_a_strange_header(self, name: str, value: str | None) -> None:
        headers = self.signed()
        del headers[name]
        if value is not None:
            headers[name] = value
        assert not self.check(headers)
