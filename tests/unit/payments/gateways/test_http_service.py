"""Calls over HTTP by the settings of a gateway."""

from __future__ import annotations

import pytest

from breakwall.payments.gateways import GatewayConfigError, GatewaySettings
from breakwall.payments.gateways.http_service import http_service

SECRET = "s3cr3t-s3cr3t"


def test_the_url_of_the_settings_comes_before_that_of_the_gateway() -> None:
    given = GatewaySettings("acme", url=f"http://u:{SECRET}@pay.example/v1")
    assert repr(http_service(given, "http://other.example")) == "HttpService('http://pay.example/v1')"
    assert repr(http_service(GatewaySettings("acme"), "http://other.example")) == (
        "HttpService('http://other.example')"
    )


def test_without_a_url_the_variable_is_named() -> None:
    with pytest.raises(GatewayConfigError, match="set BREAKWALL_PAYMENT_URL"):
        http_service(GatewaySettings("acme"))


def test_an_unusable_url_is_not_repeated() -> None:
    with pytest.raises(GatewayConfigError) as refused:
        http_service(GatewaySettings("acme", url=f"ftp://u:{SECRET}@pay.example"))
    assert SECRET not in str(refused.value)
