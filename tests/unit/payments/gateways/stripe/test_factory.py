"""The gateway to Stripe that the settings describe."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from breakwall.payments.gateways.base import LookupResult
from breakwall.payments.gateways.stripe import make_gateway, profile_from_settings
from breakwall.payments.gateways.stripe.factory import check_api_key
from breakwall.settings import Settings, load_settings

SettingsOf = Callable[..., Settings]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SettingsOf:
    monkeypatch.chdir(tmp_path)

    def load(**variables: str) -> Settings:
        given = {"PAYMENT_GATEWAY": "stripe", "PAYMENT_TOKEN": "sk_test_s3cret", **variables}
        for name, value in given.items():
            monkeypatch.setenv(f"BREAKWALL_{name}", value)
        return load_settings()

    return load


def test_stripe_is_where_stripe_is_unless_another_address_is_set(settings: SettingsOf) -> None:
    assert repr(make_gateway(settings())) == "StripeGateway(HttpService('https://api.stripe.com'))"
    gateway = make_gateway(settings(PAYMENT_URL="http://127.0.0.1:12111", PAYMENT_STRIPE_ACCOUNT="acct_1"))
    assert repr(gateway) == "StripeGateway(HttpService('http://127.0.0.1:12111'), account='acct_1')"


def test_no_secret_is_shown(settings: SettingsOf) -> None:
    headers = '{"X-Shop": "s3cret"}'
    proxy = "http://u:s3cret@127.0.0.1:9"
    assert "s3cret" not in repr(make_gateway(settings(PAYMENT_HEADERS=headers, PAYMENT_PROXY=proxy)))


def test_it_prepares_cancels_and_is_looked_up_by_id(settings: SettingsOf) -> None:
    profile = profile_from_settings(settings(PAYMENT_SETTLE_SECONDS="12", PAYMENT_KEY_LIFE="999999"))
    assert make_gateway(settings()).profile == profile
    assert (profile.prepares, profile.cancels, profile.looks_up) == (True, True, False)
    assert (profile.deduplicates, profile.absent_after, profile.key_life) == (True, 12.0, 86_400.0)


def test_without_a_key_it_says_which_setting_is_missing(settings: SettingsOf) -> None:
    with pytest.raises(ValueError, match="BREAKWALL_PAYMENT_TOKEN"):
        make_gateway(settings(PAYMENT_TOKEN=""))


def test_the_key_is_read_from_its_file(settings: SettingsOf, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("rk_live_s3cret\n")
    assert "s3cret" not in repr(
        make_gateway(settings(PAYMENT_TOKEN="", PAYMENT_TOKEN_FILE=str(tmp_path / "key")))
    )


def test_the_proxy_of_the_settings_is_used(settings: SettingsOf) -> None:
    gateway = make_gateway(settings(PAYMENT_PROXY="http://127.0.0.1:9"))
    found = gateway.look_up_prepared("pi_1", deadline=time.monotonic() + 10)
    assert found.result is LookupResult.UNAVAILABLE
    assert "the proxy does not answer" in found.detail


@pytest.mark.parametrize(("key", "why"), [("pk_live_s3cret", "publishable"), ("s3cret", "sk_… or rk_…")])
def test_a_key_that_cannot_charge_is_refused(key: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        check_api_key(key)
    assert "s3cret" not in str(refused.value)


def test_the_library_is_loaded_only_when_a_gateway_is_made() -> None:
    program = """
import sys
import breakwall.payments.gateways.stripe as package
from breakwall.settings import Settings
assert "stripe" not in sys.modules
package.profile_from_settings(Settings())
assert "stripe" not in sys.modules
package.make_gateway(Settings(payment_token="sk_test_1"))
assert "stripe" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("account", ["acct_", "1", "acct_1 2", "cus_1"])
def test_an_account_that_is_none_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="connected account"):
        Settings(payment_stripe_account=account)
