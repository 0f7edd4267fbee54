"""How gateways, and what belongs to them, are named."""

from __future__ import annotations

import pytest

from breakwall.gateway_names import CONFIGURED, MAX_NAME, GatewayNames, check_gateway, gateway_name


def test_the_configured_gateway_keeps_the_names_that_others_rely_on() -> None:
    assert (CONFIGURED.circuit, CONFIGURED.queue) == ("payment", "payments.retry")
    assert CONFIGURED.dead_letters == "payments.retry.dead"


def test_another_gateway_has_a_circuit_and_queues_of_its_own() -> None:
    names = GatewayNames.beside("stripe")
    assert (names.circuit, names.queue) == ("payment.stripe", "payments.retry.stripe")
    assert names.dead_letters == "payments.retry.stripe.dead"


@pytest.mark.parametrize("gateway", ["http", "acme-eu", "shop.pay:make_acme", f"{'x' * 56}:factory"])
def test_orders_remember_a_gateway_by_its_name_or_its_path(gateway: str) -> None:
    assert gateway_name(check_gateway(gateway)) == gateway


def test_two_factories_of_one_name_are_two_gateways() -> None:
    """After a switch from one to the other, neither may take the other one's orders."""
    long = "a_shop_with_a_very_long_name.and_its_payment_services.in_a_package"
    paths = ["acme.gw:make", "other.gw:make", f"{long}.acme.gw:make", f"{long}.other.gw:make"]
    assert len({gateway_name(path) for path in paths}) == 4


@pytest.mark.parametrize("factory", ["stripe", "http", "make_gateway", "f" * MAX_NAME])
@pytest.mark.parametrize("module", ["shop.pay", "shop." * 20 + "pay"])
def test_no_path_has_the_name_of_an_installed_gateway(module: str, factory: str) -> None:
    name = gateway_name(check_gateway(f"{module}:{factory}"))
    assert len(name) <= MAX_NAME
    assert ":" in name


def test_the_name_of_a_long_path_stays_the_same_in_each_release() -> None:
    """Stored orders have it. It ends as the path does, so that people recognise it."""
    assert gateway_name(f"{'shop.' * 20}pay:make_acme") == (
        "op.shop.shop.shop.shop.shop.shop.shop.pay:make_acme:0064b088471f"
    )


@pytest.mark.parametrize(
    "gateway",
    ["", "a b", "x" * 65, "shop:", ":make", "shop:make:acme", "shop:pay.make", "/shop:make", "shop:_m"],
)
def test_what_can_be_no_gateway_is_refused(gateway: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:factory"):
        check_gateway(gateway)
