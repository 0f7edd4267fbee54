"""Through a proxy: whatever it does instead of a tunnel, nothing was sent, and in time."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

import pytest

from breakwall.payments.gateways import Advice, Health, Outcome
from tests.integration.gateway_fixtures import ORDER, Serve, charge, gateway_to, within
from tests.integration.gateway_stub import (
    PAID,
    Script,
    StubConnection,
    StubServer,
    after_reading,
    answering,
    headers_of,
    response,
)

SECRET = "s3cr3t-s3cr3t"
SECONDS = 0.4


def test_a_tunnel_is_kept_as_any_connection(
    service: StubServer, certificate: Path, ours: Path, proxy: str
) -> None:
    tls = ssl.create_default_context(cafile=str(certificate))
    tls.load_cert_chain(ours)
    with gateway_to(service.url, tls=tls, keepalive=60, proxy=f"http://shop:{SECRET}@{proxy}") as gateway:
        assert [charge(gateway).outcome for _ in range(3)] == [Outcome.SUCCEEDED] * 3
    assert service.connections == 1


def test_a_proxy_that_does_not_know_us_sent_nothing(service: StubServer, proxy: str) -> None:
    with gateway_to(service.url, proxy=f"http://shop:wrong@{proxy}") as gateway:
        seen = charge(gateway)
    assert (seen.outcome, seen.health, seen.advice) == (
        Outcome.NOT_SENT,
        Health.NEUTRAL,
        Advice.RECONFIGURE,
    )
    assert "the proxy refused with HTTP 407: check BREAKWALL_PAYMENT_PROXY" in seen.detail
    assert service.connections == 0


def test_a_service_that_the_proxy_cannot_reach_was_sent_nothing(proxy: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_to(f"https://127.0.0.1:{port}", proxy=f"http://shop:{SECRET}@{proxy}") as gateway:
        assert charge(gateway).outcome is Outcome.NOT_SENT


def test_a_plain_service_is_reached_through_a_real_proxy_too(serve: Serve, proxy: str) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(f"{server.url}/v2", proxy=f"http://shop:{SECRET}@{proxy}") as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
    assert server.requests[0].startswith(b"POST /v2/api/charge HTTP/1.1\r\n")
    assert SECRET not in str(server.requests[0])


def test_a_request_to_a_plain_service_goes_to_the_proxy_with_the_whole_address(serve: Serve) -> None:
    middle = serve(answering(response(200, PAID)))
    address = middle.url.replace("://", f"://shop:{SECRET}@")
    with gateway_to("http://pay.example:8090/v2", proxy=address) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        gateway.look_up("k", deadline=time.monotonic() + 5)
    post, get = middle.requests
    assert post.startswith(b"POST http://pay.example:8090/v2/api/charge HTTP/1.1\r\n")
    assert get.startswith(b"GET http://pay.example:8090/v2/api/charges/k HTTP/1.1\r\n")
    assert headers_of(post)["host"] == "pay.example:8090"
    assert headers_of(post)["proxy-authorization"] == "Basic c2hvcDpzM2NyM3QtczNjcjN0"


def test_the_proxy_is_asked_for_a_tunnel_to_the_host_and_port(serve: Serve) -> None:
    middle = serve(answering(response(403)))
    for url in ("https://pay.example", "https://pay.example:8443/v2", "https://[::1]"):
        with gateway_to(url, proxy=middle.url) as gateway:
            assert charge(gateway).outcome is Outcome.NOT_SENT
    asked = [request.partition(b"\r\n")[0] for request in middle.requests]
    wanted = ("pay.example:443", "pay.example:8443", "[::1]:443")
    assert asked == [f"CONNECT {authority} HTTP/1.1".encode() for authority in wanted]
    assert "authorization" not in headers_of(middle.requests[0])


TUNNEL = b"HTTP/1.1 200 Connection established\r\n"
NO_TUNNEL: dict[str, Script] = {
    "hangs at once": StubConnection.hang,
    "hangs when asked": after_reading(then=StubConnection.hang),
    "drips the tunnel": after_reading(drip=TUNNEL + b"X-Padding: " + b"x" * 500),
    "hangs in the tunnel": after_reading(TUNNEL + b"\r\n", then=StubConnection.hang),
    "says more than asked": after_reading(TUNNEL + b"\r\n" + response(200, PAID), then=StubConnection.hang),
    "answers as the service": after_reading(response(200, PAID), then=StubConnection.hang),
    "answers nonsense": after_reading(b"\x00\xffSSH-2.0\r\n\r\n" * 10),
    "refuses with an endless page": after_reading(
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100000000\r\n\r\n", endless=b" " * 100_000
    ),
    "resets when asked": after_reading(then=StubConnection.reset),
    "refuses": answering(response(502, b"no route")),
    "redirects": answering(response(302, b"", "Location: http://elsewhere/")),
}


@pytest.mark.parametrize("script", NO_TUNNEL.values(), ids=NO_TUNNEL)
def test_whatever_a_proxy_does_instead_of_a_tunnel_nothing_was_sent_in_time(
    serve: Serve, script: Script
) -> None:
    middle = serve(script)
    with gateway_to("https://pay.example", proxy=middle.url) as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert all(request.startswith(b"CONNECT pay.example:443 ") for request in middle.requests)


def test_a_proxy_that_is_not_there_is_distinguished_from_the_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_to("http://pay.example", proxy=f"http://127.0.0.1:{port}") as gateway:
        seen = charge(gateway)
    assert seen.outcome is Outcome.NOT_SENT
    assert "the proxy does not answer" in seen.detail
