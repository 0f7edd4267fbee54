"""A breaker store's URL: an accepted one makes a store."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.breaker import store_from_url
from breakwall.breaker.stores.engine import CLOCKS
from breakwall.settings import SettingsError
from breakwall.urls.stores import DATABASES, SCHEMES
from tests.unit.urls.reading import ADDRESSES, problem, read


@pytest.mark.parametrize("parameters", ["foo=1", "socket_timeout=soon"])
def test_what_redis_py_does_not_take_is_refused(parameters: str) -> None:
    told = problem("BREAKER_STORE_URL", f"redis://h/0?{parameters}")
    assert "something after its ? that is not allowed there" in told
    assert "client_name, db, health_check_interval, " in told


def test_the_sql_store_has_a_clock_for_each_database_that_a_url_can_name() -> None:
    assert set(DATABASES) == set(CLOCKS)


@pytest.mark.parametrize("url", ["etcd://h:2379", "redis+foo://h", "memory+x://", "redis"])
def test_an_unknown_scheme_is_refused_with_the_known_ones(url: str) -> None:
    wanted = "should be a URL that starts with one of memory://, redis://, "
    assert problem("BREAKER_STORE_URL", url).startswith(wanted)
    with pytest.raises(ValueError, match=f"^a breaker store's URL {wanted}"):
        store_from_url(url)


def test_a_new_scheme_needs_a_branch_in_store_from_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakwall.urls.stores.SCHEMES", (*SCHEMES, "etcd"))
    with pytest.raises(NotImplementedError, match="etcd"):
        store_from_url("etcd://h:2379")


def test_a_store_with_another_driver_needs_the_library_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+pg8000://u:p@h/x"
    monkeypatch.setitem(sys.modules, "pg8000", None)
    assert "needs the library pg8000, which is not installed" in problem("BREAKER_STORE_URL", url)
    installed = ModuleType("pg8000")
    installed.__version__ = "1.31"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pg8000", installed)
    assert read("BREAKER_STORE_URL", url).breaker_store == url


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql+psycopg_async://h/x", "names an asynchronous driver; postgresql:// uses the usual one"),
        (
            "sqlite+nonsense:///x",
            "names a driver that SQLAlchemy does not know; sqlite:// uses the usual one",
        ),
    ],
)
def test_a_driver_that_no_store_can_use_is_refused(url: str, what: str) -> None:
    assert problem("BREAKER_STORE_URL", url) == what


@pytest.mark.parametrize("url", ["mysql://h/x", "oracle+oracledb://h/x", "firebird://h/x"])
def test_another_database_is_refused_with_the_possible_ones(url: str) -> None:
    assert "postgresql://" in problem("BREAKER_STORE_URL", url)


@given(scheme=st.sampled_from([*SCHEMES, "sqlite+pysqlite"]), address=ADDRESSES)
def test_every_accepted_store_url_makes_a_store(scheme: str, address: str) -> None:
    try:
        settings = read("BREAKER_STORE_URL", f"{scheme}://{address}")
    except SettingsError:
        return
    store_from_url(settings.breaker_store).close()
