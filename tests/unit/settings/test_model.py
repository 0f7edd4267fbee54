"""The defaults need nothing else, and other values follow from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from breakwall.settings import load_settings
from tests.integration.certificate_authority import Authority
from tests.unit.settings.problems import PASSWORD, problems


def test_with_nothing_set_everything_lives_in_the_data_folder() -> None:
    settings = load_settings({})
    home = Path.cwd() / ".breakwall"
    assert settings.database == f"sqlite:///{home}/breakwall.db"
    assert settings.breaker_store == settings.database
    assert settings.broker == f"redis+socket://{home}/broker.sock"


@pytest.mark.parametrize("name", ["a?b#c", "100%", "%41", "a b", "주문", "a?uri=true"])
def test_the_embedded_database_is_in_the_data_folder_whatever_that_is_called(
    tmp_path: Path, name: str
) -> None:
    settings = load_settings({"BREAKWALL_DATA_DIR": str(tmp_path / name)})
    assert make_url(settings.database).database == str(tmp_path / name / "breakwall.db")


def test_the_breaker_is_beside_the_orders_by_default() -> None:
    settings = load_settings({"BREAKWALL_DATABASE_URL": "postgresql://h/db"})
    assert settings.breaker_store == "postgresql://h/db"


def test_the_payment_circuit_has_the_defaults_of_the_design() -> None:
    settings = load_settings({})
    breaker = settings.breaker
    assert (breaker.failure_threshold, breaker.recovery_timeout, breaker.half_open_max_calls) == (3, 30, 3)
    assert (settings.payment_timeout, settings.payment_deduplicates) == (10, False)


def test_no_password_is_in_the_settings_repr() -> None:
    settings = load_settings({"BREAKWALL_DATABASE_URL": f"postgresql://u:{PASSWORD}@h/x"})
    assert PASSWORD not in repr(settings) + str(settings)


class TestASettingOfAnotherGateway:
    @pytest.mark.parametrize("gateway", ["http", "stripe"])
    def test_options_are_for_installed_gateways(self, gateway: str) -> None:
        assert problems(PAYMENT_GATEWAY=gateway, PAYMENT_OPTIONS='{"a": 1}') == [
            f"BREAKWALL_PAYMENT_OPTIONS: has no effect: it is for installed gateways, and not for {gateway}"
        ]

    @pytest.mark.parametrize("gateway", ["http", "acme"])
    @pytest.mark.parametrize(("name", "value"), [("ACCOUNT", "acct_1"), ("OFF_SESSION", "false")])
    def test_those_of_stripe_are_for_stripe_alone(self, gateway: str, name: str, value: str) -> None:
        assert problems(PAYMENT_GATEWAY=gateway, **{f"PAYMENT_STRIPE_{name}": value}) == [
            f"BREAKWALL_PAYMENT_STRIPE_{name}: has no effect unless BREAKWALL_PAYMENT_GATEWAY is stripe"
        ]

    def test_one_that_says_what_holds_anyway_is_taken(self) -> None:
        said = {"STRIPE_ACCOUNT": "", "OPTIONS": "", "STRIPE_OFF_SESSION": "true"}
        settings = load_settings({f"BREAKWALL_PAYMENT_{name}": value for name, value in said.items()})
        assert (settings.payment_stripe_account, settings.payment_options) == (None, None)


class TestAFileForTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> str:
        return str(Authority(tmp_path).certificate)

    @pytest.mark.parametrize("gateway", ["stripe", "acme"])
    def test_is_for_the_gateways_own_address_too(self, gateway: str, authority: str) -> None:
        read = {"BREAKWALL_PAYMENT_GATEWAY": gateway, "BREAKWALL_PAYMENT_CA_FILE": authority}
        assert str(load_settings(read).payment_ca_file) == authority

    @pytest.mark.parametrize(
        ("gateway", "url"), [("http", None), ("http", "http://h"), ("stripe", "http://h")]
    )
    def test_has_no_effect_on_an_address_without_it(
        self, gateway: str, url: str | None, authority: str
    ) -> None:
        given = {} if url is None else {"PAYMENT_URL": url}
        (found,) = problems(PAYMENT_GATEWAY=gateway, PAYMENT_CA_FILE=authority, **given)
        assert found.startswith(
            "BREAKWALL_PAYMENT_CA_FILE: has no effect unless BREAKWALL_PAYMENT_URL starts"
        )


STANDARD = "whsec_" + "a2tra2tra2tra2tra2tra2tra2tra2tr"


class TestTheSecretOfHints:
    def test_may_be_several_while_they_rotate(self) -> None:
        settings = load_settings({"BREAKWALL_PAYMENT_HOOK_SECRET": f"{STANDARD} {STANDARD}"})
        assert settings.payment_hook_secrets is not None
        assert settings.payment_hook_secrets() == [STANDARD, STANDARD]

    def test_is_read_again_when_its_file_changes(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text(STANDARD)
        settings = load_settings({"BREAKWALL_PAYMENT_HOOK_SECRET_FILE": str(file)})
        file.write_text(f"{STANDARD}\n{STANDARD}\n")
        assert settings.payment_hook_secrets is not None
        assert len(settings.payment_hook_secrets()) == 2

    def test_there_is_none_by_default(self) -> None:
        assert load_settings({}).payment_hook_secrets is None

    @pytest.mark.parametrize("gateway", ["http", "stripe"])
    def test_is_in_one_place(self, tmp_path: Path, gateway: str) -> None:
        file = tmp_path / "secret"
        file.write_text(STANDARD)
        (problem,) = problems(
            PAYMENT_GATEWAY=gateway, PAYMENT_HOOK_SECRET=STANDARD, PAYMENT_HOOK_SECRET_FILE=str(file)
        )
        assert problem.startswith("BREAKWALL_PAYMENT_HOOK_SECRET: holds a secret, and so does")

    def test_is_as_standard_webhooks_make_them_except_for_stripe(self) -> None:
        other = "whsec_" + "not-base64-but-of-stripe!"
        load_settings({"BREAKWALL_PAYMENT_GATEWAY": "stripe", "BREAKWALL_PAYMENT_HOOK_SECRET": other})
        (problem,) = problems(PAYMENT_HOOK_SECRET=other)
        assert "base64" in problem
        assert "not-base64" not in problem

    @pytest.mark.parametrize("value", ["secret-words", "whsec_short", "whsec_é" + "a" * 30])
    def test_is_refused_and_not_repeated_if_it_is_none(self, value: str) -> None:
        (problem,) = problems(PAYMENT_GATEWAY="stripe", PAYMENT_HOOK_SECRET=value)
        assert value not in problem
