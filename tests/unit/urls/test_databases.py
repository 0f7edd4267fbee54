"""A SQL database's URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.urls.databases import missing_file
from tests.unit.urls.reading import problem, read


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BREAKER_STORE_URL"])
@pytest.mark.parametrize("address", ["u:p#w@h/x", "h:1#"])
def test_a_password_with_a_number_sign_is_refused_with_its_escape(variable: str, address: str) -> None:
    assert "%23 would be right" in problem(variable, f"postgresql://{address}")
    assert read(variable, "postgresql://u:p%23w@h/x")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BREAKER_STORE_URL"])
def test_what_sqlalchemy_cannot_read_is_refused(variable: str) -> None:
    assert "@ is %40" in problem(variable, "postgresql://u:p@:1@")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BREAKER_STORE_URL"])
@pytest.mark.parametrize("parameters", ["foo=1", "uri=true&mode=memory", "timeout=5", ""])
def test_a_sqlite_url_takes_no_parameters(variable: str, parameters: str) -> None:
    told = problem(variable, f"sqlite:////srv/y.db?{parameters}")
    assert told == "should end with the file's path, without parameters (a ? in the path is %3F)"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///%3Amemory%3A", "sqlite://host/y.db"]
)
def test_a_sqlite_url_names_a_file(url: str) -> None:
    assert problem("DATABASE_URL", url).startswith("names no file: ")


def test_only_a_sqlite_file_can_be_missing(tmp_path: Path) -> None:
    (tmp_path / "there.db").touch()
    assert missing_file(f"sqlite:///{tmp_path / 'not.db'}") == tmp_path / "not.db"
    assert missing_file(f"sqlite:///{tmp_path / 'there.db'}") is None
    assert missing_file("postgresql://h/x") is None
