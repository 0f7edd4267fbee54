"""What a factory gets."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.payments.gateways import GatewayConfigError, GatewaySettings, factory_settings
from breakwall.settings import load_settings

SECRET = "s3cr3t-s3cr3t"


def settings(**variables: str) -> GatewaySettings:
    environ = {"PAYMENT_GATEWAY": "shop.pay:make_acme", **variables}
    return factory_settings(load_settings({f"BREAKWALL_{name}": value for name, value in environ.items()}))


def test_it_gets_the_settings_of_the_payment_service() -> None:
    given = settings(
        PAYMENT_URL="https://pay.example/v1",
        PAYMENT_TIMEOUT="7",
        PAYMENT_MAX_CONCURRENCY="300",
        PAYMENT_MAX_RETRY_AFTER="90",
        PAYMENT_TOKEN="tok",
        PAYMENT_HEADERS='{"X-Shop": "17"}',
        PAYMENT_PROXY="http://proxy:3128",
        PAYMENT_DEDUPLICATES="true",
        PAYMENT_OPTIONS='{"merchant": "m-1"}',
    )
    assert (given.name, given.url, given.timeout) == ("shop.pay:make_acme", "https://pay.example/v1", 7)
    assert (given.max_connections, given.max_retry_after) == (300, 90)
    assert (given.token and given.token(), given.headers()) == ("tok", {"X-Shop": "17"})
    assert (given.proxy(), given.tls()) == ("http://proxy:3128", None)
    assert given.profile.deduplicates
    assert given.options == {"merchant": "m-1"}


def test_without_settings_it_gets_no_address_of_a_simulator() -> None:
    given = settings()
    assert (given.url, given.token, given.headers(), given.proxy(), given.options) == (
        None,
        None,
        {},
        None,
        {},
    )


def test_its_repr_shows_no_secret() -> None:
    shown = repr(
        settings(
            PAYMENT_URL=f"https://shop:{SECRET}@pay.example",
            PAYMENT_OPTIONS=f'{{"key": "{SECRET}"}}',
            PAYMENT_PROXY=f"http://u:{SECRET}@proxy:3128",
        )
    )
    assert "make_acme" in shown
    assert SECRET not in shown


def test_an_own_setting_has_a_type() -> None:
    given = GatewaySettings("acme", options={"merchant": "m-1", "wait": 2, "live": True})
    assert (given.option("merchant", str), given.option("wait", float)) == ("m-1", 2.0)
    assert (given.option("live", bool), given.option("region", str, "eu")) == (True, "eu")


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("absent", str, "BREAKWALL_PAYMENT_OPTIONS should have 'absent'"),
        ("key", int, "BREAKWALL_PAYMENT_OPTIONS: 'key' should be a whole number"),
        ("live", int, "BREAKWALL_PAYMENT_OPTIONS: 'live' should be a whole number"),
    ],
)
def test_a_missing_or_wrong_one_is_named_without_its_value(name: str, kind: type[Any], problem: str) -> None:
    given = GatewaySettings("acme", options={"key": SECRET, "live": True})
    with pytest.raises(GatewayConfigError) as refused:
        given.option(name, kind)
    assert str(refused.value) == problem
