from __future__ import annotations

import pytest

from breakwall.urls.host_names import host_in, is_loopback, is_wildcard, parse_host_names, parse_networks


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.example:8080", "shop.example"),
        ("shop.example.:8080", "shop.example"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8080", "::1"),
        ("", None),
        (":80", None),
        ("shop.example:http", None),
        ("shop.example:8080:1", None),
        ("user@shop.example", None),
        ("shop.example/path", None),
        ("shop example", None),
        ("::1", None),
    ],
)
def test_the_host_of_a_header(header: str, host: str | None) -> None:
    assert host_in(header) == host


def test_names_have_commas_between_them() -> None:
    assert parse_host_names(" Shop.Example. , 10.0.0.7,::1") == {"shop.example", "10.0.0.7", "::1"}
    assert parse_host_names("") == frozenset()


@pytest.mark.parametrize(
    "text", ["https://shop.example", "shop.example:80", "a,,b", "*.shop.example", "a b", "-"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names of hosts"):
        parse_host_names(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "::", "shop.example", "localhost.shop.example", ""])
def test_other_hosts_can_be_reached_from_elsewhere(host: str) -> None:
    assert not is_loopback(host)


def test_a_wildcard_is_every_address() -> None:
    assert is_wildcard("0.0.0.0")
    assert is_wildcard("::")
    assert is_wildcard("")
    assert not is_wildcard("10.0.0.7")
    assert not is_wildcard("shop.example")


def test_networks_have_commas_between_them() -> None:
    assert [str(one) for one in parse_networks("10.0.0.2, 172.18.0.0/16,::1")] == [
        "10.0.0.2/32",
        "172.18.0.0/16",
        "::1/128",
    ]
    assert parse_networks(" ") == ()


@pytest.mark.parametrize(
    "text", ["proxy", "10.0.0.2/8", "10.9.9.9,", "*", "0.0.0.0/0", "::/0", "10.0.0.2:80"]
)
def test_what_is_no_network_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="addresses or networks") as refused:
        parse_networks(text)
    assert text not in str(refused.value)
