"""The broker's URL, also for several servers."""

from __future__ import annotations

import pytest

from breakwall.urls.brokers import broker_address, check_broker_url
from tests.unit.urls.reading import problem, read


def test_each_of_several_brokers_is_checked() -> None:
    assert read("BROKER_URL", "amqp://a//;amqp://b//")
    assert "Redis database" in problem("BROKER_URL", "redis://a/0;redis://b/abc")


@pytest.mark.parametrize("url", ["redis://h/0\n", "amqp://h/\tx", "redis://\x00h"])
def test_a_control_character_is_refused(url: str) -> None:
    assert "control character" in problem("BROKER_URL", url)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_several_plain_redis_are_refused_because_each_has_its_own_queue(scheme: str) -> None:
    with pytest.raises(ValueError, match="has its own queue") as refused:
        check_broker_url(f"{scheme}://:geheim@a/0;{scheme}://:geheim@b/0")
    assert "sentinel://" in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_nodes_of_one_rabbitmq_are_accepted() -> None:
    check_broker_url("amqp://u:p@a:5672/shop;amqp://u:p@b:5672/shop")


@pytest.mark.parametrize(
    "other", ["amqp://u:p@b/other", "amqp://u:q@b/shop", "amqp://b/shop", "amqps://u:p@b/shop"]
)
def test_nodes_that_differ_in_more_than_the_host_are_not_one_rabbitmq(other: str) -> None:
    with pytest.raises(ValueError, match="should be the same in each"):
        check_broker_url(f"amqp://u:p@a/shop;{other}")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://:geheim@h", "redis://h:6379/0"),
        ("rediss://u:geheim@h:7000/2?ssl_cert_reqs=none", "redis://h:7000/2"),
        ("redis://127.0.0.1/", "redis://localhost:6379/0"),
        ("redis+socket:///run/b.sock?virtual_host=3", "redis+socket:///run/b.sock/3"),
        ("amqp://u:geheim@h//", "amqp://h:5672//"),
        ("amqps://u:geheim@h/shop", "amqp://h:5671/shop"),
        ("amqp://u:geheim@h/a%00b", r"amqp://h:5672/a\x00b"),
        ("amqp://u:geheim@b/shop;amqp://u:geheim@a:5673/shop", "amqp://a:5673,b:5672/shop"),
        (
            "sentinel://:geheim@b;sentinel://:geheim@a/1?master_name=m&sentinel_password=geheim",
            "sentinel://a:26379,b:26379/m/1",
        ),
    ],
)
def test_a_brokers_address_has_no_password_and_no_option(url: str, address: str) -> None:
    check_broker_url(url)
    assert broker_address(url) == address
