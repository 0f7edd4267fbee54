"""The gateway to Stripe keeps the contract of gateways."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.gateways.contract import GatewayContract
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from tests.integration.payments.gateways.stripe.conftest import PROFILE
from tests.stripe.proxy import StripeProxy
from tests.stripe.service import SECRET_KEY, LocalStripe


class TestStripe(GatewayContract):
    secrets = (SECRET_KEY,)
    fault_timeout = 0.5  # localstripe answers in milliseconds.

    @pytest.fixture
    def sandbox(self, stripe: LocalStripe) -> Iterator[str]:
        """With Stripe's keys, which localstripe lacks."""
        stripe.forget()  # its list has a hundred intents at most
        self.stripe = stripe
        keys = StripeProxy(stripe.port)
        yield keys.url
        keys.close()

    def make_gateway(self, url: str) -> StripeGateway:
        return StripeGateway(HttpService(url), api_key=lambda: SECRET_KEY, profile=PROFILE)

    def charge_request(self, **changes: Any) -> ChargeRequest:
        return replace(super().charge_request(payment_method="pm_card_visa"), **changes)

    def declined_request(self) -> ChargeRequest:
        return self.charge_request(payment_method="pm_card_chargeCustomerFail")

    def charges_made(self, request: ChargeRequest) -> int:
        intents = self.stripe.ask("GET", "/v1/payment_intents?limit=100")["data"]
        return sum(
            intent["metadata"].get("breakwall_order_id") == request.order_id
            and intent["status"] == "succeeded"
            for intent in intents
        )
