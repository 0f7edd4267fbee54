"""A webhook goes to public addresses only, and to the one that was checked."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from breakwall.payments.gateways.transport.deadline import Call, connect
from breakwall.payments.gateways.transport.errors import ConnectError
from breakwall.payments.outcomes.addresses import PrivateAddressError, PublicResolver, is_public

PRIVATE = """
127.0.0.1 127.8.9.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 0.0.0.0
192.0.0.192 192.0.2.1 198.18.0.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 168.63.129.16 192.88.99.1
::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1
64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1 2002:7f00:1:: 2001:0:1::1 2001:db8::1 fec0::1 100::1
""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_or_special_address_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]
)
def test_a_public_address_is_not(address: str) -> None:
    assert is_public(address)


class Names:
    """The system's resolver: each look-up of a name takes the next of these answers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        if options.get("flags"):
            raise socket.gaierror("a name, not an address")
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses that a connection was tried to."""
    tried: list[Any] = []

    def connect_to(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect_to)
    return tried


def test_only_the_public_ones_of_a_names_addresses_are_connected_to(
    monkeypatch: pytest.MonkeyPatch, connected: list[Any]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.1", "8.8.8.8", "10.0.0.1"]).getaddrinfo)
    with pytest.raises(ConnectError):
        connect("shop.example", 443, PublicResolver(), Call(time.monotonic() + 60))
    assert connected == [("8.8.8.8", 443)]


def test_a_name_whose_answer_changes_after_the_check_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, connected: list[Any]
) -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    with pytest.raises(ConnectError):
        connect("shop.example", 443, PublicResolver(), Call(time.monotonic() + 60))
    assert (connected, names.asked) == ([("8.8.8.8", 443)], 1)


def test_each_connection_is_checked_anew(monkeypatch: pytest.MonkeyPatch, connected: list[Any]) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["8.8.8.8"], ["127.0.0.1"]).getaddrinfo)
    resolver = PublicResolver()
    for _ in range(2):
        with pytest.raises(ConnectError):
            connect("shop.example", 443, resolver, Call(time.monotonic() + 60))
    assert connected == [("8.8.8.8", 443)]


def test_a_private_address_without_a_name_is_refused() -> None:
    with pytest.raises(PrivateAddressError, match="ALLOW_PRIVATE"):
        PublicResolver().resolve("127.0.0.1", 80, timeout=60)
