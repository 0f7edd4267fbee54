"""The options of a run are checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.demo.options import DemoOptions
from breakwall.settings import load_settings

HOME = Path("/nowhere/data")


def test_too_few_orders_for_an_outage_are_refused_with_how_many_would_do() -> None:
    with pytest.raises(ValueError, match="at least 200 at 50 orders a second"):
        DemoOptions(orders=199, rate=50, outage=5, seed=1)
    assert DemoOptions(orders=200, rate=50, outage=5, seed=1).orders_before_outage == 50


def test_a_few_orders_are_too_few_at_any_rate() -> None:
    with pytest.raises(ValueError, match="at least 40"):
        DemoOptions(orders=39, rate=2, outage=5, seed=1)


def test_a_long_run_has_five_seconds_before_the_outage() -> None:
    assert DemoOptions(orders=5000, rate=20, outage=5, seed=1).orders_before_outage == 100


def test_the_users_own_settings_are_not_used() -> None:
    inherited = {
        "PATH": "/bin",
        "BREAKWALL_DATABASE_URL": "postgresql://shop/orders",
        "BREAKWALL_RETRY__CAP": "9",
    }
    environment = DemoOptions(600, 25, 12, 1).environment(inherited, HOME, "http://127.0.0.1:1")
    settings = load_settings(environment)
    assert environment["PATH"] == "/bin"
    assert settings.embedded_database
    assert settings.home == HOME
    assert settings.retry.cap == 3


def test_the_shortened_settings_exist() -> None:
    load_settings(DemoOptions(600, 25, 12, 1).environment({}, HOME, "http://127.0.0.1:1"))
