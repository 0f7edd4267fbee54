"""One URL names a master behind sentinels, for the broker and for the breaker's store alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from breakwall.broker import celery_config
from breakwall.settings import load_settings
from breakwall.urls import check_broker_url, check_store_url
from breakwall.urls.sentinel import parse_sentinel_url

FULL = (
    "sentinel://shop:p%40ss@h1:26380;sentinel://[::1]:26381;sentinel://h3/2"
    "?master_name=mymaster&sentinel_username=watch&sentinel_password=gehe%2Fim"
)
BOTH = pytest.mark.parametrize("check", [check_broker_url, check_store_url])


def test_every_part_is_read() -> None:
    found = parse_sentinel_url(FULL)
    assert found.nodes == (("h1", 26380), ("::1", 26381), ("h3", 26379))
    assert (found.master_name, found.database) == ("mymaster", 2)
    assert found.master == {"username": "shop", "password": "p@ss"}
    assert found.sentinels == {"username": "watch", "password": "gehe/im"}


def test_neither_password_is_shown() -> None:
    assert not {"p@ss", "gehe/im"} & set(repr(parse_sentinel_url(FULL)).split("'"))


def test_the_shortest_form_will_do() -> None:
    found = parse_sentinel_url("sentinel://h?master_name=m")
    assert (found.nodes, found.database, found.master, found.sentinels) == ((("h", 26379),), 0, {}, {})


@BOTH
@pytest.mark.parametrize(
    "url", [FULL, "sentinel://h?master_name=m", "sentinel://:a@h;sentinel://:a@i/1?master_name=m"]
)
def test_what_is_right_is_taken(url: str, check: Callable[[str], None]) -> None:
    check(url)


@BOTH
@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("sentinel://geheim@h:26379/0", "which master"),
        ("sentinel://geheim@h:26379/0?master=m", "takes master_name"),
        ("sentinel://:geheim@h/0?master_name=m&ssl=true", "TLS is not supported"),
        ("sentinel://:geheim@h/0?master_name=m&password=geheim", "takes master_name"),
        ("sentinel://:geheim@h/0?master_name=m&master_name=n", "once each"),
        ("sentinel://:geheim@h/0?master_name=", "takes master_name"),
        ("sentinel://:geheim@h/shop?master_name=m", "database by number"),
        ("sentinel://:geheim@h;other:26379/0?master_name=m", "begin each of its addresses"),
        ("sentinel://:geheim@h;redis://other/0?master_name=m", "begin each of its addresses"),
        ("sentinel://:gehe;im@h/0?master_name=m", "is not a URL"),
        ("sentinel://:gehe/im@h/0?master_name=m", "/ is %2F"),
        ("sentinel://:gehe#im@h/0?master_name=m", "#"),
        ("sentinel://:geheim@h/0;sentinel://i/0?master_name=m", "at its end"),
        ("sentinel://:geheim@h;sentinel://:other@i/0?master_name=m", "two users or passwords"),
        ("sentinel://:geheim@/0?master_name=m", "%40"),
        ("sentinel://:geheim@h:0/0?master_name=m", "port"),
        ("sentinel://:geheim@h:99999/0?master_name=m", "port"),
        ("sentinel://:geheim@h h/0?master_name=m", "is not a URL"),
        ("sentinel://:geheim@h\t/0?master_name=m", "is not a URL"),
        ("sentinel://:geheim@h$/0?master_name=m", "host that cannot be one"),
        ("sentinels://:geheim@h/0?master_name=m", "starts with one of"),
    ],
)
def test_what_is_wrong_is_refused_with_what_is_right_and_none_of_it(
    url: str, what: str, check: Callable[[str], None]
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check(url)
    assert what in str(refused.value)
    assert "geheim" not in str(refused.value)
    assert "im@h" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_several_plain_redis_are_refused_for_each_has_a_queue_of_its_own(scheme: str) -> None:
    with pytest.raises(ValueError, match="a queue of its own") as refused:
        check_broker_url(f"{scheme}://:geheim@a/0;{scheme}://:geheim@b/0")
    assert "sentinel://" in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_nodes_of_one_rabbitmq_are_taken() -> None:
    check_broker_url("amqp://u:p@a:5672/shop;amqp://u:p@b:5672/shop")


@pytest.mark.parametrize(
    "other", ["amqp://u:p@b/other", "amqp://u:q@b/shop", "amqp://b/shop", "amqps://u:p@b/shop"]
)
def test_nodes_that_differ_in_more_than_the_host_are_not_one_rabbitmq(other: str) -> None:
    with pytest.raises(ValueError, match="should be the same in each"):
        check_broker_url(f"amqp://u:p@a/shop;{other}")


def test_of_sentinels_kombu_is_given_each_with_everything() -> None:
    config = celery_config(load_settings({"BREAKWALL_BROKER_URL": FULL}))
    assert config["broker_url"] == (
        "sentinel://shop:p%40ss@h1:26380/2;sentinel://shop:p%40ss@[::1]:26381/2;sentinel://shop:p%40ss@h3:26379/2"
    )
    options = config["broker_transport_options"]
    assert options["master_name"] == "mymaster"
    assert options["sentinel_kwargs"].items() >= {"username": "watch", "password": "gehe/im"}.items()


def test_a_plus_in_a_sentinels_password_is_a_plus() -> None:
    """As in a base64 password."""
    address = parse_sentinel_url("sentinel://h:26379/0?master_name=m&sentinel_password=a+b")
    assert address.sentinels == {"password": "a+b"}
