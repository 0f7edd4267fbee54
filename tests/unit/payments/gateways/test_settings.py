"""The gateway and its profile that the settings describe."""

import subprocess
import sys

import pytest

from breakwall.payments.gateways import GatewayProfile, gateway_from_settings, profile_from_settings
from breakwall.payments.gateways.http import HttpGateway
from breakwall.settings import SettingsError, load_settings


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


def test_the_profile_needs_no_http_client() -> None:
    script = (
        "import sys\n"
        "from breakwall.payments.gateways import profile_from_settings\n"
        "from breakwall.settings import Settings\n"
        "assert profile_from_settings(Settings()).looks_up\n"
        "print('httpx2' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


@pytest.mark.parametrize(("variables", "seconds"), [({}, 600), ({"MAX_RETRY_AFTER": "90"}, 90)])
def test_the_longest_retry_after_is_ten_minutes_unless_the_settings_say_otherwise(
    variables: dict[str, str], seconds: float
) -> None:
    settings = load_settings({f"BREAKWALL_PAYMENT_{name}": value for name, value in variables.items()})
    gateway = gateway_from_settings(settings)
    assert isinstance(gateway, HttpGateway)
    assert gateway._bounds.max_retry_after == seconds


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "inf", "soon"])
def test_an_invalid_bound_is_refused(seconds: str) -> None:
    with pytest.raises(SettingsError, match="BREAKWALL_PAYMENT_MAX_RETRY_AFTER"):
        load_settings({"BREAKWALL_PAYMENT_MAX_RETRY_AFTER": seconds})
