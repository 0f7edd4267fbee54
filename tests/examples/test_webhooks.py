"""The webhooks of the shops on FastAPI and Django."""

import base64

import pytest

from tests.examples.customer import DECLINED, PAID, number_in
from tests.examples.events import SECRET, event_of, signed
from tests.examples.shops import Shop

HOOK = "/hooks/breakwall"
OTHER_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY, HEADERS = signed(event_of("00000000", "paid", "evt_of_nobody"))


def test_a_signed_event_is_taken_and_its_repetition_too(webhook_shop: Shop) -> None:
    path = webhook_shop.customer.order()
    body, headers = signed(event_of(number_in(path), "declined", f"evt_{number_in(path)}"))
    answers = [webhook_shop.customer.client.post(HOOK, content=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert webhook_shop.customer.reads(path) == DECLINED


def test_a_forged_event_is_refused_and_changes_nothing(webhook_shop: Shop) -> None:
    path = webhook_shop.customer.order()
    body, headers = signed(event_of(number_in(path), "declined"), OTHER_SECRET)
    assert webhook_shop.customer.client.post(HOOK, content=body, headers=headers).status_code == 400
    assert webhook_shop.customer.reads(path) == PAID


def test_an_event_whose_body_was_changed_is_refused(webhook_shop: Shop) -> None:
    body, headers = signed(event_of("00000000", "paid"))
    answer = webhook_shop.customer.client.post(HOOK, content=body.replace(b"paid", b"dead"), headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (BODY, {"webhook-signature": "v1"}),  # standardwebhooks raises ValueError for it.
        (BODY, {"webhook-signature": "v1,abcde"}),
        (BODY, {"webhook-timestamp": "1"}),
        (b"\xff", {}),
    ],
)
def test_a_strange_request_is_refused(webhook_shop: Shop, body: bytes, changes: dict[str, str]) -> None:
    answer = webhook_shop.customer.client.post(HOOK, content=body, headers={**HEADERS, **changes})
    assert answer.status_code == 400


def test_a_request_without_a_signature_is_refused(webhook_shop: Shop) -> None:
    assert webhook_shop.customer.client.post(HOOK, content=BODY).status_code == 400


def test_the_webhooks_address_takes_nothing_but_posts(webhook_shop: Shop) -> None:
    assert webhook_shop.customer.client.get(HOOK).status_code == 405


def test_a_large_body_is_refused_before_it_is_read(webhook_shop: Shop) -> None:
    answer = webhook_shop.customer.client.post(HOOK, content=b"x" * 70_000, headers=HEADERS)
    assert answer.status_code in {400, 413}


def test_the_secret_is_shown_nowhere(webhook_shop: Shop) -> None:
    answer = webhook_shop.customer.client.post(HOOK, content=b"{}")
    assert SECRET not in answer.text
