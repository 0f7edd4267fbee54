"""No rehearsal with a key for live payments."""

from base64 import b64encode
from pathlib import Path

import pytest

from breakwall.rehearsal.live_keys import LiveKeyError, refuse_a_live_key
from breakwall.settings import load_settings


@pytest.mark.parametrize("gateway", ["stripe", "http"])
@pytest.mark.parametrize("key", ["sk_live_s3cret", "rk_live_s3cret"])
@pytest.mark.parametrize("in_file", [True, False])
def test_a_live_key_is_refused_and_not_shown(tmp_path: Path, gateway: str, key: str, in_file: bool) -> None:
    (tmp_path / "key").write_text(f"{key}\n")
    given = {"_FILE": str(tmp_path / "key")} if in_file else {"": key}
    variables = {f"BREAKWALL_PAYMENT_TOKEN{end}": value for end, value in given.items()}
    settings = load_settings({"BREAKWALL_PAYMENT_GATEWAY": gateway, **variables})
    with pytest.raises(LiveKeyError) as raised:
        refuse_a_live_key(settings)
    assert next(iter(variables)) in str(raised.value)
    assert "s3cret" not in str(raised.value)


BASIC = b64encode(b"sk_live_s3cret:").decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "https://sk_live_s3cret:@sandbox.example"),
        ("HEADERS", '{"X-Key": "key=sk_live_s3cret"}'),
        ("HEADERS", f'{{"Authorization": "Basic {BASIC}"}}'),
        ("OPTIONS", '{"api": {"key": "rk_live_s3cret"}}'),
    ],
)
def test_a_live_key_in_another_setting_is_refused_too(name: str, value: str) -> None:
    gateway = {"BREAKWALL_PAYMENT_GATEWAY": "tests.integration.rehearsal.gateways:by_its_own_way"}
    settings = load_settings({f"BREAKWALL_PAYMENT_{name}": value} | (gateway if name == "OPTIONS" else {}))
    with pytest.raises(LiveKeyError, match=f"PAYMENT_{name} has") as raised:
        refuse_a_live_key(settings)
    assert "s3cret" not in str(raised.value)


def test_other_keys_and_none_are_fine() -> None:
    refuse_a_live_key(load_settings({}))
    refuse_a_live_key(load_settings({"BREAKWALL_PAYMENT_TOKEN": "sk_test_1"}))
