"""The gateway to Stripe, over HTTP, to localstripe behind our proxy."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from uuid import uuid4

import pytest

from breakwall.payments.gateways.base import ChargeRequest, GatewayProfile, Prepared
from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe import KEY_LIFE
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from tests.stripe.proxy import StripeProxy
from tests.stripe.service import SECRET_KEY, LocalStripe

PROFILE = GatewayProfile(True, KEY_LIFE, looks_up=False, absent_after=30.0, prepares=True, cancels=True)

Gateways = Callable[..., StripeGateway]
Orders = Callable[..., ChargeRequest]


@pytest.fixture(scope="session")
def stripe() -> Iterator[LocalStripe]:
    service = LocalStripe()
    yield service
    service.close()


@pytest.fixture
def proxy(stripe: LocalStripe) -> Iterator[StripeProxy]:
    proxy = StripeProxy(stripe.port)
    yield proxy
    proxy.close()


@pytest.fixture
def make_gateway(proxy: StripeProxy) -> Iterator[Gateways]:
    made = []

    def make(**options: object) -> StripeGateway:
        arguments = {"api_key": lambda: SECRET_KEY, "profile": PROFILE, **options}
        made.append(StripeGateway(HttpService(proxy.url), **arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def gateway(make_gateway: Gateways) -> StripeGateway:
    return make_gateway()


@pytest.fixture
def new_order() -> Orders:
    """Makes the request of an order that Stripe has not seen."""
    numbers = count(1)
    run = uuid4().hex

    def make(**fields: object) -> ChargeRequest:
        number = next(numbers)
        order = ChargeRequest(
            f"{number:032x}", "u-1", 1000, "USD", f"{run}{number}", f"cart-{number}", "pm_card_visa"
        )
        return replace(order, **fields)  # type: ignore[arg-type] # each test gives its own

    return make


@pytest.fixture
def prepared(gateway: StripeGateway, new_order: Orders) -> Callable[..., ChargeRequest]:
    """Makes the request of an order whose intent is created."""

    def make(**fields: object) -> ChargeRequest:
        order = new_order(**fields)
        created = gateway.prepare(order, deadline=soon())
        assert isinstance(created, Prepared)
        return replace(order, prepared=created.id)

    return make


def soon(seconds: float = 10.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds
