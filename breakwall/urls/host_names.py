"""The hosts in a `Host` header and in a setting, and which of them are this machine's own."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?")
_HEADER = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/?#\\\s]+)(?::[0-9]{0,5})?", re.IGNORECASE | re.ASCII)


def host_in(header: str) -> str | None:
    """The host in a `Host` header, in lower case, without port and brackets; None: it is none."""
    found = _HEADER.fullmatch(header)
    return found[1].strip("[]").rstrip(".").lower() if found else None


def parse_host_names(text: str) -> frozenset[str]:
    """The names or addresses in a setting, with commas between them; none for an empty text. Raises `ValueError`."""
    names = [name.strip().lower() for name in text.split(",")] if text.strip() else []
    for name in names:
        if address_in(name) is None and not _NAME.fullmatch(name):
            raise ValueError(
                "should be names of hosts, without port and scheme, with commas between them: shop.example,10.0.0.7"
            )
    return frozenset(name.rstrip(".") for name in names)


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The addresses and networks in a setting, with commas between them; none for an empty text.

    Raises `ValueError`, also for a network of all addresses.
    """
    try:
        found = tuple(ip_network(name.strip()) for name in text.split(",")) if text.strip() else ()
    except ValueError:
        found = None
    if found is None or any(one.prefixlen == 0 for one in found):
        raise ValueError(
            "should be addresses or networks, with commas between them: 10.0.0.2,172.18.0.0/16"
        ) from None
    return found


def address_in(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    address = address_in(host)
    return host == "localhost" if address is None else address.is_loopback


def is_wildcard(host: str) -> bool:
    """Whether a server that is bound to the host listens at every address of the machine."""
    address = address_in(host)
    return host == "" if address is None else address.is_unspecified
