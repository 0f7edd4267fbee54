"""What the HTTP gateway puts on the wire, and what it makes of well-formed answers."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest

from breakwall.payments.gateways import (
    Advice,
    ChargeAnswer,
    ChargeRequest,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.gateways.http import HttpGateway
from tests.integration.gateway_fixtures import ORDER, Serve, charge, gateway_to
from tests.integration.gateway_stub import PAID, answering, body_of, headers_of, response


def look_up(gateway: HttpGateway, key: str) -> LookupAnswer:
    return gateway.look_up(key, deadline=time.monotonic() + 5)


def test_a_charge_carries_the_order_and_its_key(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        assert charge(gateway) == ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
    (request,) = server.requests
    assert request.startswith(b"POST /api/charge HTTP/1.1\r\n")
    assert headers_of(request)["idempotency-key"] == "cart-17"
    assert headers_of(request)["content-type"] == "application/json"
    assert body_of(request) == {"order_id": "o-1", "user_id": "u-1", "amount": 10_000, "currency": "KRW"}


def test_the_bytes_of_a_charge_stay_the_same(serve: Serve) -> None:
    """A service may compare them when a key comes again, also with what an earlier version sent."""
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        charge(gateway, order=replace(ORDER, reference="cart-17"))
    body = (
        b'{"order_id": "o-1", "user_id": "u-1", "amount": 10000, "currency": "KRW", "reference": "cart-17"}'
    )
    assert server.requests[0].endswith(b"\r\n\r\n" + body)


def test_the_details_of_an_order_follow_where_it_has_them_and_nothing_of_our_own(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    details = {"payment_method": "pm_1", "description": "차 두 잔", "metadata": {"cart": "17"}}
    with gateway_to(server.url) as gateway:
        charge(gateway, order=replace(ORDER, **details, prepared="pi_1"))
    order = {"order_id": "o-1", "user_id": "u-1", "amount": 10_000, "currency": "KRW"}
    assert body_of(server.requests[0]) == {**order, **details}


def test_the_callers_own_key_travels_as_the_reference(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        charge(gateway, order=replace(ORDER, idempotency_key="derived", reference="cart-17"))
    assert body_of(server.requests[0])["reference"] == "cart-17"
    assert headers_of(server.requests[0])["idempotency-key"] == "derived"


def test_the_urls_path_is_a_prefix(serve: Serve) -> None:
    server = serve(answering(response(201, PAID)))
    with gateway_to(f"{server.url}/pay/v2/") as gateway:
        charge(gateway)
        look_up(gateway, "k")
    assert server.requests[0].startswith(b"POST /pay/v2/api/charge ")
    assert server.requests[1].startswith(b"GET /pay/v2/api/charges/k ")


def test_a_lookup_quotes_the_key_as_it_was_sent(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        assert look_up(gateway, "cart/17?x") == LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, "ch_1")
        look_up(gateway, "주")
    assert server.requests[0].startswith(b"GET /api/charges/cart%2F17%3Fx HTTP/1.1\r\n")
    assert server.requests[1].startswith(b"GET /api/charges/%25EC%25A3%25BC HTTP/1.1\r\n")


def test_text_that_is_not_ascii_arrives_whole(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        charge(gateway, order=ChargeRequest("주문-1", "\ud800", 1, "KRW", "주문-1"))
    assert body_of(server.requests[0])["order_id"] == "주문-1"
    assert headers_of(server.requests[0])["idempotency-key"] == "%EC%A3%BC%EB%AC%B8-1"


def test_the_urls_password_is_sent_and_never_shown(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answering(response(401, b"who are you?")))
    with gateway_to(server.url.replace("://", "://shop:s3cr%40t@")) as gateway:
        seen = charge(gateway)
        shown = repr(gateway) + repr(seen) + caplog.text
    assert headers_of(server.requests[0])["authorization"] == "Basic c2hvcDpzM2NyQHQ="
    assert seen.outcome is Outcome.FAILED
    assert not any(secret in shown for secret in ("s3cr", "c2hvcDpzM2NyQHQ"))


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    target = serve(answering(response(200, PAID)))
    server = serve(answering(response(307, b"", f"Location: {target.url}/api/charge")))
    with gateway_to(server.url) as gateway:
        assert charge(gateway).outcome is Outcome.UNKNOWN
    assert target.requests == []


def test_a_redirect_to_nonsense_is_unknown_too(serve: Serve) -> None:
    server = serve(answering(response(302, b"", "Location: http://[:::::")))
    with gateway_to(server.url) as gateway:
        assert charge(gateway).outcome is Outcome.UNKNOWN


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(answering(response(502))), serve(answering(response(200, PAID)))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with gateway_to(server.url) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
    assert proxy.connections == 0


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(answering(response(200, PAID, "Set-Cookie: session=1; Path=/")))
    with gateway_to(server.url) as gateway:
        charge(gateway)
        charge(gateway)
    assert "cookie" not in headers_of(server.requests[1])


@pytest.mark.parametrize(
    ("reply", "outcome", "advice"),
    [
        (response(402, b'{"status": "declined", "code": "no_funds"}'), Outcome.DECLINED, Advice.RETRY),
        (response(409), Outcome.UNKNOWN, Advice.LOOK_AGAIN),
        (response(422), Outcome.UNKNOWN, Advice.REVIEW),
        (response(429), Outcome.THROTTLED, Advice.RETRY),
        (response(400), Outcome.UNKNOWN, Advice.STOP),
        (response(401), Outcome.FAILED, Advice.RECONFIGURE),
        (response(404), Outcome.UNKNOWN, Advice.RECONFIGURE),
        (response(503), Outcome.UNKNOWN, Advice.RETRY),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + response(200, PAID), Outcome.SUCCEEDED, Advice.RETRY),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Outcome.UNKNOWN, Advice.RETRY),
        (response(200, PAID, "Content-Encoding: gzip"), Outcome.SUCCEEDED, Advice.RETRY),
    ],
)
def test_the_answer_is_classified(serve: Serve, reply: bytes, outcome: Outcome, advice: Advice) -> None:
    with gateway_to(serve(answering(reply)).url) as gateway:
        seen = charge(gateway)
    assert (seen.outcome, seen.advice) == (outcome, advice)


def test_a_code_that_repeats_the_payment_method_is_not_kept(serve: Serve) -> None:
    with gateway_to(serve(answering(response(400, b'{"code": "pm_s3cret"}'))).url) as gateway:
        seen = charge(gateway, order=replace(ORDER, payment_method="pm_s3cret"))
    assert "s3cret" not in repr(seen)


def test_retry_after_is_read_from_the_wire(serve: Serve) -> None:
    reply = response(
        503, b"", "Date: Sun, 06 Nov 1994 08:00:00 GMT", "Retry-After: Sun, 06 Nov 1994 08:00:09 GMT"
    )
    with gateway_to(serve(answering(reply)).url) as gateway:
        assert charge(gateway).retry_after == 9


def test_one_charge_is_one_request(serve: Serve) -> None:
    server = serve(answering(response(503)))
    with gateway_to(server.url) as gateway:
        charge(gateway, order=ORDER)
    assert len(server.requests) == 1
