"""URLs in the settings: one that could not be used is refused when it is read, with what would be right."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.breaker import store_from_url
from breakwall.breaker.stores import REDIS_SCHEMES
from breakwall.breaker.stores.sql import CLOCKS
from breakwall.payments.gateways import gateway_from_settings
from breakwall.settings import Settings, SettingsError, load_settings
from breakwall.urls import STORE_DATABASES, STORE_SCHEMES, missing_file

ODD = st.text(st.sampled_from("abüж漢1.9-_:@[]%/?#; \\\t\n"), max_size=6)
ADDRESSES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "u:p@", ":p@", "u@"]) | ODD,
    st.sampled_from(["", "h", "127.0.0.1", "[::1]"]) | ODD,
    st.sampled_from(["", ":1", ":65536"]) | ODD,
    st.sampled_from(["", "/", "/0", "/x.db", "/0?db=1", "/x?a=1"]) | ODD,
)


def read(variable: str, url: str) -> Settings:
    return load_settings({f"BREAKWALL_{variable}": url})


def problem(variable: str, url: str) -> str:
    """The one problem, without the variable's name in front."""
    with pytest.raises(SettingsError) as refused:
        read(variable, url)
    (line,) = refused.value.problems
    name, _, what = line.partition(": ")
    assert name == f"BREAKWALL_{variable}"
    return what


@pytest.mark.parametrize("url", ["http://h/?a=1", "http://h/#top", "http://h?", "https://h/v2#"])
def test_a_payment_url_ends_with_its_path(url: str) -> None:
    assert problem("PAYMENT_URL", url) == "should end with its path, without ? and #"


@pytest.mark.parametrize(
    "url",
    ["http://exa mple/", "http:// h/", "http://a\\b/", "http://1.2.3.400/", "http://a%20b/", "http://ж..a/"],
)
def test_a_host_that_cannot_be_one_is_refused(url: str) -> None:
    assert problem("PAYMENT_URL", url).startswith("has a host that cannot be one: http://host:port/")


@pytest.mark.parametrize("url", ["http://h:0", "http://h:99999", "http://h:x", "http://[::1"])
def test_a_port_is_a_number_that_can_be_one(url: str) -> None:
    assert "port should be a number from 1 to 65535" in problem("PAYMENT_URL", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:p@pay.example:8090/v2",
        "http://pay_1",
        "http://127.0.0.1:1",
        "https://[::1]:8443",
        "http://ü.example",
    ],
)
def test_a_payment_url_that_can_be_used_is_taken(url: str) -> None:
    gateway_from_settings(read("PAYMENT_URL", url)).close()


@given(address=ADDRESSES)
def test_every_payment_url_that_is_taken_makes_a_gateway(address: str) -> None:
    try:
        settings = read("PAYMENT_URL", f"http://{address}")
    except SettingsError:
        return
    gateway_from_settings(settings).close()


@pytest.mark.parametrize("variable", ["BROKER_URL", "BREAKER_STORE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:9/abc",
        "rediss://h/abc",
        "redis://h/0x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/%61",
    ],
)
def test_a_redis_database_is_a_number(variable: str, url: str) -> None:
    assert problem(variable, url) == "should name its Redis database by number, as in redis://host:6379/0"


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("BROKER_URL", "redis+socket:///run/s?virtual_host=abc"),
        ("BREAKER_STORE_URL", "redis+socket:///run/s?virtual_host=abc"),
        ("BREAKER_STORE_URL", "unix:///run/s?db=abc"),
        ("BREAKER_STORE_URL", "redis://h?db=abc"),
    ],
)
def test_so_is_one_that_stands_behind_the_question_mark(variable: str, url: str) -> None:
    assert "Redis database by number" in problem(variable, url)


@pytest.mark.parametrize("variable", ["BROKER_URL", "BREAKER_STORE_URL"])
@pytest.mark.parametrize(
    "url", ["redis://h", "redis://h:6379/", "rediss://:pw@h/15", "redis+socket:///run/s"]
)
def test_a_redis_url_that_can_be_used_is_taken(variable: str, url: str) -> None:
    assert read(variable, url)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("BREAKER_STORE_URL", "unix://"),
        ("BREAKER_STORE_URL", "unix:///"),
        ("BREAKER_STORE_URL", "unix://run/valkey.sock"),
        ("BREAKER_STORE_URL", "redis+socket://"),
        ("BROKER_URL", "redis+socket://"),
        ("BROKER_URL", "redis+socket://run/valkey.sock"),
    ],
)
def test_a_socket_has_an_absolute_path(variable: str, url: str) -> None:
    scheme = url.partition(":")[0]
    assert problem(variable, url) == f"names no socket: {scheme}:///absolute/path is right"


def test_each_of_several_brokers_is_looked_at() -> None:
    assert read("BROKER_URL", "amqp://a//;amqp://b//")
    assert "Redis database" in problem("BROKER_URL", "redis://a/0;redis://b/abc")


@pytest.mark.parametrize("parameters", ["foo=1", "socket_timeout=soon"])
def test_what_redis_py_does_not_take_is_refused(parameters: str) -> None:
    told = problem("BREAKER_STORE_URL", f"redis://h/0?{parameters}")
    assert "something behind its ? that is not taken there" in told
    assert "client_name, db, health_check_interval, " in told


@pytest.mark.parametrize("url", ["redis://h/0\n", "amqp://h/\tx", "redis://\x00h"])
def test_a_control_character_is_refused(url: str) -> None:
    assert "control character" in problem("BROKER_URL", url)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "BREAKER_STORE_URL"])
@pytest.mark.parametrize("address", ["u:p#w@h/x", "h:1#"])
def test_a_password_with_a_number_sign_is_told_how_to_write_it(variable: str, address: str) -> None:
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


def test_every_store_of_the_breaker_can_be_named() -> None:
    assert set(STORE_DATABASES) == set(CLOCKS)
    assert set(STORE_SCHEMES) == {"memory", *REDIS_SCHEMES}


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
        ("postgresql+psycopg_async://h/x", "names an asynchronous driver; postgresql:// has the usual one"),
        ("sqlite+nonsense:///x", "names a driver that SQLAlchemy does not know; sqlite:// has the usual one"),
    ],
)
def test_a_driver_that_no_store_can_use_is_refused(url: str, what: str) -> None:
    assert problem("BREAKER_STORE_URL", url) == what


@pytest.mark.parametrize("url", ["mysql://h/x", "oracle+oracledb://h/x", "firebird://h/x"])
def test_another_database_is_refused_with_those_that_are_taken(url: str) -> None:
    assert "postgresql://" in problem("BREAKER_STORE_URL", url)


@given(scheme=st.sampled_from([*STORE_SCHEMES, "sqlite", "postgresql", "sqlite+pysqlite"]), address=ADDRESSES)
def test_every_store_url_that_is_taken_makes_a_store(scheme: str, address: str) -> None:
    try:
        settings = read("BREAKER_STORE_URL", f"{scheme}://{address}")
    except SettingsError:
        return
    store_from_url(settings.breaker_store).close()


def test_only_a_sqlite_file_can_be_missing(tmp_path: Path) -> None:
    (tmp_path / "there.db").touch()
    assert missing_file(f"sqlite:///{tmp_path / 'not.db'}") == tmp_path / "not.db"
    assert missing_file(f"sqlite:///{tmp_path / 'there.db'}") is None
    assert missing_file("postgresql://h/x") is None
