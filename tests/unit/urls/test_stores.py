"""A breaker store's URL: one that is taken makes a store."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.breaker import store_from_url
from breakwall.breaker.stores import REDIS_SCHEMES
from breakwall.breaker.stores.sql import CLOCKS
from breakwall.settings import SettingsError
from breakwall.urls.stores import DATABASES, SCHEMES
from tests.unit.urls.reading import ADDRESSES, problem, read


@pytest.mark.parametrize("parameters", ["foo=1", "socket_timeout=soon"])
def test_what_redis_py_does_not_take_is_refused(parameters: str) -> None:
    told = problem("BREAKER_STORE_URL", f"redis://h/0?{parameters}")
    assert "something behind its ? that is not taken there" in told
    assert "client_name, db, health_check_interval, " in told


def test_every_store_of_the_breaker_can_be_named() -> None:
    assert set(DATABASES) == set(CLOCKS)
    assert set(SCHEMES) == {"memory", *REDIS_SCHEMES}


@pytest.mark.parametrize(
    ("url", "library"),
    [
        ("mysql://u:p@h/x", "MySQLdb"),
        ("mysql+pymysql://h/x", "pymysql"),
        ("mariadb+mariadbconnector://h/x", "mariadb"),
        ("mssql+pyodbc://h/x", "pyodbc"),
        ("oracle+oracledb://h/x", "oracledb"),
        ("oracle+cx_oracle://h/x", "cx_Oracle"),
    ],
)
def test_a_store_in_another_database_needs_the_library_for_it(
    monkeypatch: pytest.MonkeyPatch, url: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    assert f"needs the library {library}, which is not installed" in problem("BREAKER_STORE_URL", url)
    installed = ModuleType(library)
    installed.version = "8.3"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, library, installed)
    assert read("BREAKER_STORE_URL", url).breaker_store == url


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql+psycopg_async://h/x", "names an asynchronous driver; postgresql:// has the usual one"),
        ("mysql+nonsense://h/x", "names a driver that SQLAlchemy does not know; mysql:// has the usual one"),
    ],
)
def test_a_driver_that_no_store_can_use_is_refused(url: str, what: str) -> None:
    assert problem("BREAKER_STORE_URL", url) == what


def test_a_database_that_no_store_knows_the_clock_of_is_refused() -> None:
    assert "mariadb://" in problem("BREAKER_STORE_URL", "firebird://h/x")


@given(scheme=st.sampled_from([*SCHEMES, "sqlite", "postgresql", "sqlite+pysqlite"]), address=ADDRESSES)
def test_every_store_url_that_is_taken_makes_a_store(scheme: str, address: str) -> None:
    try:
        settings = read("BREAKER_STORE_URL", f"{scheme}://{address}")
    except SettingsError:
        return
    store_from_url(settings.breaker_store).close()
