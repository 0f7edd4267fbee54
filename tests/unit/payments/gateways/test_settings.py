"""How an `HttpGateway` is made, and what it never shows."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.gateways import GatewayProfile, gateway_from_settings, profile_from_settings
from breakwall.payments.gateways.http import HttpGateway
from breakwall.payments.gateways.sent_keys import key_behind, wire_key
from breakwall.settings import SettingsError, load_settings

PROFILE = GatewayProfile(deduplicates=False, key_life=1, looks_up=True, settle_seconds=1)


def test_the_settings_say_what_the_service_promises() -> None:
    settings = load_settings(
        {
            "BREAKWALL_PAYMENT_URL": "http://pay.example:8090/v2",
            "BREAKWALL_PAYMENT_DEDUPLICATES": "true",
            "BREAKWALL_PAYMENT_KEY_LIFE": "3600",
            "BREAKWALL_PAYMENT_SETTLE_SECONDS": "12",
        }
    )
    gateway = gateway_from_settings(settings)
    assert gateway.profile == profile_from_settings(settings) == GatewayProfile(True, 3600, True, 12)
    assert repr(gateway) == "HttpGateway('http://pay.example:8090/v2')"


def test_what_the_service_promises_is_told_without_importing_a_client() -> None:
    script = (
        "import sys\n"
        "from breakwall.payments.gateways import profile_from_settings\n"
        "from breakwall.settings import Settings\n"
        "assert profile_from_settings(Settings()).looks_up\n"
        "print('httpx2' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_the_longest_retry_after_is_ten_minutes_unless_the_settings_say_otherwise() -> None:
    def bound(**settings: str) -> float:
        gateway = gateway_from_settings(load_settings(settings))
        assert isinstance(gateway, HttpGateway)
        return gateway._bounds.max_retry_after

    assert bound() == 600
    assert bound(BREAKWALL_PAYMENT_MAX_RETRY_AFTER="90") == 90


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "inf", "soon"])
def test_a_bound_that_is_none_is_refused(seconds: str) -> None:
    with pytest.raises(SettingsError, match="BREAKWALL_PAYMENT_MAX_RETRY_AFTER"):
        load_settings({"BREAKWALL_PAYMENT_MAX_RETRY_AFTER": seconds})


def test_importing_the_words_does_not_import_an_http_client() -> None:
    code = "import sys, breakwall.payments.gateways; sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_password_in_the_url_is_not_shown() -> None:
    assert "s3cret" not in repr(HttpGateway("https://shop:s3cret@pay.example", profile=PROFILE))


@pytest.mark.parametrize(
    "url",
    ["", "pay.example", "ftp://pay.example", "http://", "http://h:port", "http://h/?a=1", "http://h/#x"],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="payment service's URL") as refused:
        HttpGateway(url.replace("http://h", "http://u:s3cret@h"), profile=PROFILE)
    assert "s3cret" not in str(refused.value)


def test_plain_keys_travel_as_they_are() -> None:
    assert (
        wire_key("cart-17_A.b~!#$&'()*+,/:;<=>?@[]^`{|}\"\\") == "cart-17_A.b~!#$&'()*+,/:;<=>?@[]^`{|}\"\\"
    )


@pytest.mark.parametrize(
    ("key", "sent"),
    [("주문", "%EC%A3%BC%EB%AC%B8"), ("a b", "a%20b"), ("a%20b", "a%2520b"), ("..", "%2E%2E")],
)
def test_other_keys_are_percent_encoded(key: str, sent: str) -> None:
    assert wire_key(key) == sent


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        wire_key("")


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_two_keys_never_become_one(keys: list[str]) -> None:
    first, second = map(wire_key, keys)
    assert first != second
    assert all(33 <= ord(letter) < 127 for letter in first)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_key_is_known_again_by_how_it_travels(key: str) -> None:
    assert key_behind(wire_key(key)) == key


@pytest.mark.parametrize("received", ["", "a b", "100%", "%61", "a%ec%a3%bc", "%FF", "주문"])
def test_no_key_travels_as_what_is_encoded_otherwise(received: str) -> None:
    assert key_behind(received) is None
