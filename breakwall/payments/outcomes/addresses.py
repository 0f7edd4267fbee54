"""Which addresses a webhook may be sent to: public ones only, unless private ones are allowed.

Whoever can set the URL, or its name's address, could otherwise have the worker call what only the worker can reach.
"""

import ipaddress
from functools import cache

from breakwall.payments.gateways.transport.resolver import Address, Resolver

# IANA's special-purpose registries, October 2026, and the metadata service of Azure, which has a public address.
_PRIVATE_V4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
""".split()

# Only global unicast is public. Of that, these are not: Teredo and other protocols' addresses, documentation, 6to4.
# What embeds an IPv4 address elsewhere (::ffff:0:0/96, 64:ff9b::/96, 64:ff9b:1::/48) is outside of it.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6 = "2001::/23 2001:db8::/32 2002::/16 3fff::/20".split()

ADVICE = "its address is private: BREAKWALL_OUTCOMES__ALLOW_PRIVATE=true would allow that"


class PrivateAddressError(OSError):
    """All addresses of the host are private."""


def is_public(address: str) -> bool:
    """Whether an IPv4 or IPv6 address, with a scope or without, is a public one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _networks_v4())
    return found in _GLOBAL_V6 and not any(found in network for network in _networks_v6())


class PublicResolver(Resolver):
    """Finds public addresses only. The caller connects to what it returns, so no later answer can replace that."""

    def resolve(self, host: str, port: int, *, timeout: float) -> list[Address]:
        """As `Resolver.resolve`; raises `PrivateAddressError` if none of the addresses is public."""
        found = super().resolve(host, port, timeout=timeout)
        public = [(family, address) for family, address in found if is_public(str(address[0]))]
        if found and not public:
            raise PrivateAddressError(ADVICE)
        return public


@cache
def _networks_v4() -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(text) for text in _PRIVATE_V4]


@cache
def _networks_v6() -> list[ipaddress.IPv6Network]:
    return [ipaddress.IPv6Network(text) for text in _PRIVATE_V6]
