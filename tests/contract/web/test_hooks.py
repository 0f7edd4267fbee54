from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from breakwall.payments.gateways.hints import MAX_BODY
from breakwall.payments.ledger.hint import HINT_PAUSE
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA
from tests.contract.site import Site, order
from tests.contract.web.api_site import ApiSite
from tests.gateway import LOST

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
PATH = "/v1/hooks/payment"


@pytest.fixture
def signing(site: Site) -> Iterator[ApiSite]:
    """The API of a site whose payment service signs its hints."""
    one = ApiSite(site, payment_hook_secret=SECRET)
    with one.client:
        yield one


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", now, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


@pytest.fixture
def unknown(site: Site) -> bytes:
    """A hint about an order whose charge got no answer, and that waits for a minute."""
    (placed,) = site.producer.enqueue([order()])
    site.attempt(placed.order_id, LOST, OrderStatus.QUEUED, 60.0)
    site.advance(HINT_PAUSE)
    return f'{{"idempotency_key": "{site.get().charge_key}"}}'.encode()


def is_due(site: Site) -> bool:
    due = site.get().next_attempt_at
    return due is not None and due <= site.clock.now


def test_a_signed_hint_makes_the_order_due(signing: ApiSite, unknown: bytes) -> None:
    answer = signing.client.post(PATH, content=unknown, headers=signed(unknown))
    assert (answer.status_code, is_due(signing.site)) == (202, True)


def test_a_wrongly_signed_hint_changes_nothing(signing: ApiSite, unknown: bytes) -> None:
    answer = signing.client.post(PATH, content=unknown, headers=signed(b"{}"))
    assert (answer.status_code, is_due(signing.site)) == (401, False)
    assert answer.json()["type"] == "/problems/unsigned-hint"


def test_without_a_secret_a_caller_with_a_token_may_hint(api: ApiSite, unknown: bytes) -> None:
    """On loopback without tokens, everybody is such a caller."""
    assert api.client.post(PATH, content=unknown).status_code == 202
    assert is_due(api.site)


def test_with_tokens_an_unsigned_hint_needs_one_that_may_place_orders(
    signing: ApiSite, api: ApiSite, unknown: bytes
) -> None:
    def hint(token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return api.client.post(PATH, content=unknown, headers=headers).status_code

    anna, shop = (
        create_token(api.site.database, name, frozenset({scope}), ANNA, clock=api.site.clock)
        for name, scope in (("anna", Scope.OPS_WRITE), ("shop", Scope.ORDERS_WRITE))
    )
    assert [hint(None), hint(anna), is_due(api.site)] == [401, 403, False]
    assert [hint(shop), is_due(api.site)] == [202, True]
    answer = signing.client.post(PATH, content=unknown, headers=signed(unknown))
    assert answer.status_code == 202, "a signed one needs no token"


def test_the_answer_does_not_say_whether_there_is_such_an_order(api: ApiSite, unknown: bytes) -> None:
    known, missing = (api.client.post(PATH, content=body) for body in (unknown, b'{"order_id": "none"}'))
    assert (
        (known.status_code, known.json())
        == (missing.status_code, missing.json())
        == (202, {"status": "accepted"})
    )


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff\xfe", b"null"])
def test_a_message_that_cannot_be_read_is_refused(api: ApiSite, body: bytes) -> None:
    answer = api.client.post(PATH, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_message_about_no_order_is_taken(api: ApiSite) -> None:
    assert api.client.post(PATH, content=b'{"type": "ping"}').status_code == 202


def test_a_message_is_bounded(api: ApiSite) -> None:
    assert api.client.post(PATH, content=b" " * (MAX_BODY + 1)).status_code == 413
