"""The parts accept every value that the settings allow."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.settings import BreakerSettings, Settings, SettingsError, load_settings
from breakwall.wiring import open_breaker, open_database

BOUNDS = {"gt": 1e-9, "ge": 0, "lt": -1e-9, "le": 0}


def extremes() -> Iterator[tuple[str, str]]:
    """Each setting of the breaker with its least and its greatest value."""
    for name, field in BreakerSettings.model_fields.items():
        for value in bounds(field):
            yield name.upper(), f"{value:.9g}"


def bounds(field: FieldInfo) -> Iterator[float]:
    for limit in field.metadata:
        for kind, inwards in BOUNDS.items():
            if hasattr(limit, kind):
                yield getattr(limit, kind) + inwards


@pytest.mark.parametrize(("name", "value"), list(extremes()))
def test_a_circuit_can_be_made_with_every_value_that_the_settings_allow(
    tmp_path: Path, name: str, value: str
) -> None:
    chosen = {f"BREAKWALL_BREAKER__{name}": value, "BREAKWALL_BREAKER_STORE_URL": "memory://"}
    open_breaker(load_settings({**chosen, "BREAKWALL_DATA_DIR": str(tmp_path)})).close()


def below_a_file(folder: Path) -> Settings:
    """Settings whose data folder cannot be made, not even by root."""
    (folder / "file").touch()
    return load_settings({"BREAKWALL_DATA_DIR": str(folder / "file" / "home")})


def test_a_data_folder_that_cannot_be_made_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    """A shop that started in a folder without write permission got a raw PermissionError."""
    with pytest.raises(SettingsError, match=r"BREAKWALL_DATA_DIR: .*home cannot be made \(Not a directory\)"):
        open_breaker(below_a_file(tmp_path))


def test_a_data_folder_that_cannot_be_made_is_a_database_that_is_not_there(tmp_path: Path) -> None:
    with (
        closing(open_database(below_a_file(tmp_path))) as database,
        pytest.raises(DatabaseUnavailableError, match=r"cannot be made .*home: Not a directory"),
    ):
        database.read(lambda connection: None)


def test_a_file_that_may_not_be_opened_is_named_with_what_to_look_at(tmp_path: Path) -> None:
    (tmp_path / "breakwall.db").mkdir()
    with (
        closing(open_database(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path)}))) as database,
        pytest.raises(DatabaseUnavailableError, match=r"this user may write .*/breakwall\.db and its folder"),
    ):
        database.read(lambda connection: None)
