"""The payment service's URL: an unusable one is refused with what would be right."""

from __future__ import annotations

import pytest
from hypothesis import given

from breakwall.payments.gateways import gateway_from_settings
from breakwall.settings import SettingsError
from tests.unit.urls.reading import ADDRESSES, problem, read


@pytest.mark.parametrize("url", ["http://h/?a=1", "http://h/#top", "http://h?", "https://h/v2#"])
def test_a_payment_url_ends_with_its_path(url: str) -> None:
    assert problem("PAYMENT_URL", url) == "should end with its path, without ? and #"


@pytest.mark.parametrize(
    "url",
    ["http://exa mple/", "http:// h/", "http://a\\b/", "http://1.2.3.400/", "http://a%20b/", "http://ж..a/"],
)
def test_a_host_that_cannot_be_one_is_refused(url: str) -> None:
    assert problem("PAYMENT_URL", url).startswith("has a host that cannot be one: http://host:port/")


@pytest.mark.parametrize("url", ["http://h:0", "http://h:99999", "http://h:x", "http://[::1"])
def test_a_port_is_a_number_that_can_be_one(url: str) -> None:
    assert "port should be a number from 1 to 65535" in problem("PAYMENT_URL", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:p@pay.example:8090/v2",
        "http://pay_1",
        "http://127.0.0.1:1",
        "https://[::1]:8443",
        "http://ü.example",
    ],
)
def test_a_usable_payment_url_is_accepted(url: str) -> None:
    gateway_from_settings(read("PAYMENT_URL", url)).close()


@given(address=ADDRESSES)
def test_every_accepted_payment_url_makes_a_gateway(address: str) -> None:
    try:
        settings = read("PAYMENT_URL", f"http://{address}")
    except SettingsError:
        return
    gateway_from_settings(settings).close()
