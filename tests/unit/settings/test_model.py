"""The defaults need nothing else, and other values follow from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from breakwall.settings import load_settings
from tests.unit.settings.problems import PASSWORD


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
