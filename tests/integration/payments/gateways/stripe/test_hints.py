"""An event as localstripe sends it: with Stripe's own signature."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from breakwall.payments.gateways.base import ChargeRequest, Prepared
from breakwall.payments.gateways.hints import Hint, HintSignatureError
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from breakwall.payments.gateways.stripe.hints import StripeHints
from tests.integration.payments.gateways.stripe.conftest import Orders, soon
from tests.stripe.service import LocalStripe

SECRET = "whsec_" + "s" * 32

Delivery = tuple[dict[str, str], bytes]


@pytest.fixture
def delivered(stripe: LocalStripe) -> Iterator[Callable[[], Delivery]]:
    """Waits for the next event that localstripe delivers."""
    came, arrived = list[Delivery](), threading.Event()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *args: object) -> None:
            pass

    def wait() -> Delivery:
        assert arrived.wait(60)
        return came[0]

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stripe.send_events(f"http://127.0.0.1:{server.server_port}/", SECRET)
        yield wait
        server.shutdown()


def test_an_event_of_a_charge_is_verified_and_names_its_order(
    gateway: StripeGateway, new_order: Orders, delivered: Callable[[], Delivery]
) -> None:
    order: ChargeRequest = new_order()
    created = gateway.prepare(order, deadline=soon())
    assert isinstance(created, Prepared)
    gateway.charge(replace(order, prepared=created.id), deadline=soon())
    headers, body = delivered()
    assert json.loads(body)["type"].startswith("payment_intent.")
    assert StripeHints(lambda: [SECRET]).read_hint(headers, body) == Hint(order.order_id, verified=True)
    with pytest.raises(HintSignatureError):
        StripeHints(lambda: [SECRET]).read_hint(headers, body + b" ")
