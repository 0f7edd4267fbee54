from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from breakwall.payments.gateways.base import Gateway
from breakwall.payments.gateways.hints import Hint, HintSignatureError, StandardHints, hint_reader
from breakwall.settings import Settings

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


def signed(body: bytes) -> dict[str, str]:
    signature = Webhook(SECRET).sign("msg_1", AT, body.decode())
    moment = str(int(AT.timestamp()))
    return {"webhook-id": "msg_1", "webhook-timestamp": moment, "webhook-signature": signature}


def reader(secret: str | None = SECRET) -> StandardHints:
    secrets = None if secret is None else lambda: [secret]
    return StandardHints(secrets, clock=AT.timestamp)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"idempotency_key": "k1"}, "k1"),
        ({"order_id": "o1"}, "o1"),
        ({"idempotency_key": "k1", "order_id": "o1"}, "k1"),
        ({"type": "charge.succeeded", "data": {"idempotency_key": "k1"}}, "k1"),
        ({"type": "charge.succeeded", "data": {"order_id": "o1"}}, "o1"),
        ({"idempotency_key": 7, "data": []}, None),
        ({"type": "ping"}, None),
    ],
)
def test_a_message_names_its_order(message: dict[str, Any], name: str | None) -> None:
    body = json.dumps(message).encode()
    assert reader().read_hint(signed(body), body) == Hint(name, verified=True)


def test_without_a_secret_no_message_is_verified() -> None:
    body = b'{"order_id": "o1"}'
    assert reader(None).read_hint(signed(body), body) == Hint("o1", verified=False)


def test_with_a_secret_an_unsigned_message_is_refused() -> None:
    with pytest.raises(HintSignatureError, match="PAYMENT_HOOK_SECRET"):
        reader().read_hint({}, b'{"order_id": "o1"}')


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"<html>", b"7"])
def test_a_message_that_cannot_be_read_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="should be a JSON object"):
        reader(None).read_hint({}, body)


def test_the_gateway_http_reads_standard_webhooks() -> None:
    assert isinstance(hint_reader(Settings()), StandardHints)


class OwnHints:
    """A gateway with its own way to sign."""

    def read_hint(self, headers: dict[str, str], body: bytes) -> Hint:
        return Hint(body.decode(), verified=True)


def make_own(settings: Any) -> Any:
    from tests.gateway import ScriptedGateway

    class Own(ScriptedGateway, OwnHints):
        pass

    return Own()


def make_silent(settings: Any) -> Gateway:
    from tests.gateway import ScriptedGateway

    return ScriptedGateway()


def test_a_gateway_of_ones_own_reads_its_hints() -> None:
    settings = Settings(payment_gateway=f"{__name__}:make_own")
    assert hint_reader(settings).read_hint({}, b"o1") == Hint("o1", verified=True)


def test_a_gateway_without_hints_leaves_them_to_standard_webhooks() -> None:
    assert isinstance(hint_reader(Settings(payment_gateway=f"{__name__}:make_silent")), StandardHints)
