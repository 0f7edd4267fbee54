"""From the setting to the gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from breakwall.payments.gateways import (
    Gateway,
    GatewayConfigError,
    GatewayProfile,
    GatewaySettings,
    gateway_from_settings,
    profile_from_settings,
)
from breakwall.payments.gateways.foreign import ForeignGateway
from breakwall.payments.gateways.loading import careful
from breakwall.settings import Settings, SettingsError, load_settings
from tests.unit.payments.gateways.plain_gateway import PROFILE, PlainGateway

HERE = "tests.unit.payments.gateways.plain_gateway"
SECRET = "s3cr3t-s3cr3t"


def read(gateway: str, **variables: str) -> Settings:
    environ = {"PAYMENT_GATEWAY": gateway, **variables}
    return load_settings({f"BREAKWALL_{name}": value for name, value in environ.items()})


def problem(gateway: str, **variables: str) -> str:
    """The one sentence; it names the variable, and shows no secret."""
    with pytest.raises(SettingsError) as refused:
        gateway_from_settings(read(gateway, **variables))
    (sentence,) = refused.value.problems
    assert refused.value.__cause__ is None
    assert SECRET not in sentence
    name, _, rest = sentence.partition(": ")
    assert name == "BREAKWALL_PAYMENT_GATEWAY"
    return rest


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[GatewaySettings], Any]], str]:
    """Makes a factory importable; returns its path."""

    def add(factory: Callable[[GatewaySettings], Any]) -> str:
        module = ModuleType("shop_pay")
        module.make = factory  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "shop_pay", module)
        return "shop_pay:make"

    return add


Shop = Callable[[Callable[[GatewaySettings], Any]], str]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package with an entry point."""

    def install(package: str, line: str) -> None:
        info = tmp_path / f"{package}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[breakwall.gateways]\n{line}\n")

    monkeypatch.syspath_prepend(tmp_path)
    return install


def test_a_path_names_a_factory() -> None:
    gateway = gateway_from_settings(read(f"{HERE}:make_plain"))
    assert isinstance(gateway, ForeignGateway)
    assert gateway.profile == PROFILE
    assert repr(gateway) == f"ForeignGateway('{HERE}:make_plain')"


def test_a_name_is_that_of_an_entry_point(installed: Callable[[str, str], None]) -> None:
    installed("acme_pay", f"acme = {HERE}:make_plain")
    assert repr(gateway_from_settings(read("acme"))) == "ForeignGateway('acme')"


def test_an_unknown_name_gets_the_nearest_one(installed: Callable[[str, str], None]) -> None:
    installed("acme_pay", f"acme = {HERE}:make_plain")
    assert problem("acne") == "no gateway acne is installed; did you mean acme?"
    assert problem("strype") == "no gateway strype is installed; did you mean stripe?"
    assert problem("paypal") == (
        "no gateway paypal is installed; there are http, stripe, acme, or package.module:factory"
    )


def test_a_name_that_two_packages_have_is_refused(installed: Callable[[str, str], None]) -> None:
    installed("acme_pay", f"acme = {HERE}:make_plain")
    installed("other_pay", f"acme = {HERE}:make_nothing")
    assert problem("acme") == "several packages have a gateway acme (acme_pay, other_pay): remove all but one"


def test_a_missing_module_is_named() -> None:
    assert problem("no_such_shop.pay:make") == (
        "no_such_shop.pay:make cannot be imported: there is no module no_such_shop; install its package"
    )


def test_a_module_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_pay.py").write_text(f"raise RuntimeError({SECRET!r})")
    monkeypatch.syspath_prepend(tmp_path)
    assert problem("failing_pay:make") == (
        "failing_pay:make cannot be imported: failing_pay raised RuntimeError"
    )


def test_a_missing_factory_gets_the_nearest_one() -> None:
    assert problem(f"{HERE}:make_plein").endswith(
        f"there is no function make_plein in {HERE}; did you mean make_plain?"
    )
    assert "should be a factory" in problem(f"{HERE}:NOT_A_FACTORY")


def test_a_factory_that_raises_shows_no_text_but_that_of_its_own_error(shop: Shop) -> None:
    def fail(settings: GatewaySettings) -> Gateway:
        raise RuntimeError(SECRET)

    assert problem(shop(fail)).startswith("shop_pay:make raised RuntimeError; call it")

    def refuse(settings: GatewaySettings) -> Gateway:
        raise GatewayConfigError("set BREAKWALL_PAYMENT_URL")

    assert problem(shop(refuse)) == "shop_pay:make refuses its settings: set BREAKWALL_PAYMENT_URL"


def test_a_factory_without_its_library_names_the_library(shop: Shop) -> None:
    def need(settings: GatewaySettings) -> Gateway:
        raise ModuleNotFoundError("No module named 'acme_sdk'", name="acme_sdk")

    assert problem(shop(need)) == "shop_pay:make needs the module acme_sdk: install it"


def test_what_is_no_gateway_is_refused() -> None:
    assert problem(f"{HERE}:make_nothing") == (
        f"{HERE}:make_nothing made no Gateway: its NoneType has no charge and no look_up and no close"
    )


def test_a_profile_that_contradicts_the_methods_is_refused(shop: Shop) -> None:
    path = shop(lambda settings: PlainGateway(profile=replace(PROFILE, prepares=True)))
    assert problem(path) == (
        "shop_pay:make made a PlainGateway whose profile says that it prepares, and that has no prepare and no "
        "look_up_prepared: it should be a PreparingGateway"
    )


def test_stripe_without_its_extra_names_the_extra() -> None:
    """In a process that has not loaded the library."""
    program = """
import sys
from breakwall.payments.gateways import gateway_from_settings
from breakwall.settings import Settings, SettingsError
sys.modules["stripe"] = None
try:
    gateway_from_settings(Settings(payment_gateway="stripe", payment_token="sk_test_1"))
except SettingsError as error:
    print(*error.problems, sep="; ")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "BREAKWALL_PAYMENT_GATEWAY: the gateway stripe needs its extra: pip install 'breakwall[stripe]'"
    )


class TestTheProfile:
    OWN = GatewayProfile(deduplicates=True, key_life=3600, looks_up=True, absent_after=30)

    def test_is_made_more_careful_by_what_is_set(self) -> None:
        given = frozenset({"deduplicates", "key_life", "absent_after"})
        wanted = GatewayProfile(deduplicates=False, key_life=60, looks_up=True, absent_after=300)
        assert careful(self.OWN, wanted, given) == GatewayProfile(False, 60, True, 300)

    def test_is_never_made_less_careful(self) -> None:
        given = frozenset({"deduplicates", "key_life", "absent_after"})
        own = replace(self.OWN, deduplicates=False)
        wanted = GatewayProfile(deduplicates=True, key_life=86_400, looks_up=True, absent_after=1)
        assert careful(own, wanted, given) == own

    def test_is_the_gateways_own_where_nothing_is_set(self) -> None:
        assert profile_from_settings(read(f"{HERE}:make_plain")) == PROFILE

    def test_is_the_same_for_those_who_charge_nothing(self) -> None:
        settings = read(f"{HERE}:make_plain", PAYMENT_SETTLE_SECONDS="300", PAYMENT_DEDUPLICATES="false")
        assert profile_from_settings(settings) == gateway_from_settings(settings).profile
        assert profile_from_settings(settings) == GatewayProfile(False, 3600, True, 300)

    def test_of_a_factory_that_tells_it_needs_no_gateway(self, shop: Shop) -> None:
        def make(settings: GatewaySettings) -> Gateway:
            raise AssertionError("made")

        make.profile = lambda settings: replace(settings.profile, cancels=True)  # type: ignore[attr-defined]
        profile = profile_from_settings(read(shop(make), PAYMENT_SETTLE_SECONDS="17"))
        assert (profile.cancels, profile.absent_after) == (True, 17)

    def test_of_a_factory_is_checked(self, shop: Shop) -> None:
        def make(settings: GatewaySettings) -> Gateway:
            return PlainGateway()

        make.profile = lambda settings: None  # type: ignore[attr-defined]
        with pytest.raises(SettingsError, match=r"shop_pay:make\.profile is no GatewayProfile"):
            profile_from_settings(read(shop(make)))

    def test_closes_the_gateway_that_was_made_for_it(self, shop: Shop) -> None:
        made: list[PlainGateway] = []

        def make(settings: GatewaySettings) -> PlainGateway:
            made.append(PlainGateway())
            return made[-1]

        profile_from_settings(read(shop(make)))
        assert [one.closed for one in made] == [1]


class TestAPathToCode:
    def test_is_not_taken_from_the_file_in_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("BREAKWALL_PAYMENT_GATEWAY", raising=False)
        file = tmp_path / ".env"
        file.write_text("BREAKWALL_PAYMENT_GATEWAY=evil:make\n")
        with pytest.raises(SettingsError) as refused:
            load_settings(dotenv=file)
        assert refused.value.problems == [
            "BREAKWALL_PAYMENT_GATEWAY: a path to code is taken from the process's environment alone, not from "
            ".env; set it there"
        ]

    def test_of_the_environment_comes_before_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BREAKWALL_PAYMENT_GATEWAY", "shop.pay:make")
        file = tmp_path / ".env"
        file.write_text("BREAKWALL_PAYMENT_GATEWAY=evil:make\n")
        assert load_settings(dotenv=file).payment_gateway == "shop.pay:make"

    def test_an_installed_gateway_may_be_named_in_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("BREAKWALL_PAYMENT_GATEWAY", raising=False)
        file = tmp_path / ".env"
        file.write_text("BREAKWALL_PAYMENT_GATEWAY=acme\n")
        assert load_settings(dotenv=file).gateway_name == "acme"

    def test_does_not_lead_into_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "lying_here.py").write_text("def make(settings): raise AssertionError\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
        before = list(sys.path)
        assert "there is no module lying_here" in problem("lying_here:make")
        assert sys.path == before


@pytest.mark.parametrize("options", ["[]", "17", "merchant", '{"a": ', "[" * 100_000])
def test_options_are_a_json_object(options: str) -> None:
    with pytest.raises(SettingsError, match="BREAKWALL_PAYMENT_OPTIONS: should be a JSON object"):
        read("acme", PAYMENT_OPTIONS=options)


def test_options_of_a_gateway_that_has_none_are_refused() -> None:
    with pytest.raises(SettingsError, match="BREAKWALL_PAYMENT_OPTIONS: has no effect"):
        read("http", PAYMENT_OPTIONS='{"merchant": "m-1"}')
