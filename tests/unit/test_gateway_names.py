"""How gateways, and what belongs to them, are named."""

from __future__ import annotations

import pytest

from breakwall.gateway_names import CONFIGURED, GatewayNames, check_gateway, gateway_name


def test_the_configured_gateway_keeps_the_names_that_others_rely_on() -> None:
    assert (CONFIGURED.circuit, CONFIGURED.queue) == ("payment", "payments.retry")
    assert CONFIGURED.dead_letters == "payments.retry.dead"


def test_another_gateway_has_a_circuit_and_queues_of_its_own() -> None:
    names = GatewayNames.beside("stripe")
    assert (names.circuit, names.queue) == ("payment.stripe", "payments.retry.stripe")
    assert names.dead_letters == "payments.retry.stripe.dead"


@pytest.mark.parametrize(
    ("gateway", "name"), [("http", "http"), ("acme-eu", "acme-eu"), ("shop.pay:make_acme", "make_acme")]
)
def test_orders_remember_a_gateway_by_its_name_or_its_factorys(gateway: str, name: str) -> None:
    assert gateway_name(check_gateway(gateway)) == name


@pytest.mark.parametrize(
    "gateway",
    ["", "a b", "x" * 65, "shop:", ":make", "shop:make:acme", "shop:pay.make", "/shop:make", "shop:_m"],
)
def test_what_can_be_no_gateway_is_refused(gateway: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:factory"):
        check_gateway(gateway)
