"""Redis's URL, for the broker and for a breaker's store."""

from __future__ import annotations

import pytest

from tests.unit.urls.reading import problem, read


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
def test_so_is_one_that_is_after_the_question_mark(variable: str, url: str) -> None:
    assert "Redis database by number" in problem(variable, url)


@pytest.mark.parametrize("variable", ["BROKER_URL", "BREAKER_STORE_URL"])
@pytest.mark.parametrize(
    "url", ["redis://h", "redis://h:6379/", "rediss://:pw@h/15", "redis+socket:///run/s"]
)
def test_a_usable_redis_url_is_accepted(variable: str, url: str) -> None:
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
