"""A missing driver is named in one sentence that says what to install."""

from __future__ import annotations

import sys

import pytest

from breakwall.breaker import store_from_engine, store_from_redis, store_from_url
from breakwall.breaker.drivers import needed_for


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """No module of these names can be imported, and none that imports one was imported."""
    for name in list(sys.modules):
        if name.partition(".")[0] in {"redis", "psycopg", "sqlalchemy"} or name.startswith(
            "breakwall.breaker.stores."
        ):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("missing", "url", "install"),
    [
        ("redis", "redis://localhost", "redis>=6.4,<9"),
        ("psycopg", "postgresql://db/shop", "breakwall[postgres]"),
        ("sqlalchemy", "sqlite:///shop.db", "sqlalchemy>=2.1,<2.2"),
        ("pg8000", "postgresql+pg8000://db/shop", "pg8000"),
    ],
)
def test_a_store_names_its_missing_driver(
    without: None, monkeypatch: pytest.MonkeyPatch, missing: str, url: str, install: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError) as refused:
        store_from_url(url)
    kind = url.partition(":")[0].partition("+")[0]
    assert str(refused.value) == (
        f"a breaker store at {kind}:// needs the Python module {missing}, which is not installed: "
        f"run pip install '{install}'"
    )
    assert refused.value.name == missing


def test_a_store_on_a_client_or_an_engine_names_it_too(
    without: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ModuleNotFoundError, match="a breaker store in Redis needs the Python module redis"):
        store_from_redis(object())
    with pytest.raises(ModuleNotFoundError, match="in a database needs the Python module sqlalchemy"):
        store_from_engine(None)  # type: ignore[arg-type]


def test_another_error_of_an_import_is_raised_as_it_is() -> None:
    with pytest.raises(ImportError, match="no pq wrapper"), needed_for("a store"):
        raise ImportError("no pq wrapper available")
