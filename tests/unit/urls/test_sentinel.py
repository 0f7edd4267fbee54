"""One URL names a master behind sentinels, for the broker and for the breaker's store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from breakwall.urls.brokers import check_broker_url
from breakwall.urls.sentinel import parse_sentinel_url
from breakwall.urls.stores import check_store_url

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


def test_the_shortest_form_is_enough() -> None:
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
        ("sentinel://geheim@h:26379/0?master_name=m", "a user without a password"),
        ("sentinel://:geheim@h:26379/0", "does not name the master"),
        ("sentinel://:geheim@h:26379/0?master=m", "takes master_name"),
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
        ("sentinel://:geheim@/0?master_name=m", "names no host"),
        ("sentinel://:geheim@h:0/0?master_name=m", "port"),
        ("sentinel://:geheim@h:99999/0?master_name=m", "port"),
        ("sentinel://:geheim@h h/0?master_name=m", "host that cannot be one"),
        ("sentinel://:geheim@h\t/0?master_name=m", "control character"),
        ("sentinel://:geheim@h$/0?master_name=m", "host that cannot be one"),
        ("sentinels://:geheim@h/0?master_name=m", "starts with one of"),
    ],
)
def test_a_wrong_url_is_refused_with_what_is_right_and_not_repeated(
    url: str, what: str, check: Callable[[str], None]
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check(url)
    assert what in str(refused.value)
    assert "geheim" not in str(refused.value)
    assert "im@h" not in str(refused.value)


def test_a_plus_in_a_sentinels_password_is_a_plus() -> None:
    """As in a base64 password."""
    address = parse_sentinel_url("sentinel://h:26379/0?master_name=m&sentinel_password=a+b")
    assert address.sentinels == {"password": "a+b"}
