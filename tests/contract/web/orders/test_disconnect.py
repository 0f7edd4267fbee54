"""A client that goes away while its order is being charged: the order goes its way."""

from __future__ import annotations

import json
import socket
from threading import Event
from urllib.parse import urlsplit

from tests.application_server import serving
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import BODY
from tests.gateway import PAID


def place_of(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return str(parts.hostname), int(parts.port or 0)


def test_the_order_is_charged_once_and_paid(api: ApiSite) -> None:
    charging, may_end = Event(), Event()
    api.site.gateway.during = lambda: (charging.set(), may_end.wait(60))[0]
    api.site.gateway.answers.append(PAID)
    with (
        serving(api.app) as address,
        socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as client,
    ):
        body = json.dumps(BODY).encode()
        head = "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: cart-1\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + kind.encode() + body)
        assert charging.wait(30)
        client.close()
        may_end.set()
        assert api.site.producer.wait_for("cart-1", 30).status == "paid"
    assert len(api.site.gateway.charged) == 1
