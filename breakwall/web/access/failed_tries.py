"""Limits how many wrong tokens and cookies are tried, from one address and in all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network

from breakwall.urls.host_names import address_in

WINDOW = 60.0  # Seconds.
MOST_FROM_ONE = 10  # Wrong tokens from one address within a window.
MOST = 100  # Within a window in all; so many addresses are remembered.


class FailedTries:
    """Counts wrong tokens. Safe for threads. A valid token is not counted, and never refused because of others."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._by_group: Counter[str] = Counter()
        self._lock = threading.Lock()

    def wait_of(self, address: str) -> float:
        """Seconds until another wrong token of this address is looked at; 0.0: now."""
        group = _group(address)
        with self._lock:
            left = self._left()
            is_over = self._by_group[group] >= MOST_FROM_ONE or self._by_group.total() >= MOST
            return left if is_over else 0.0

    def add(self, address: str) -> None:
        """Count a wrong token."""
        group = _group(address)
        with self._lock:
            self._left()
            if self._by_group.total() < MOST:
                self._by_group[group] += 1

    def _left(self) -> float:
        """Seconds until this window ends; a new one begins when the last one is over."""
        now = self._monotonic()
        if now >= self._began + WINDOW:
            self._began = now
            self._by_group.clear()
        return self._began + WINDOW - now


def _group(address: str) -> str:
    """What counts as one address: of IPv6 the first half, because a single customer of a provider has the other."""
    found = address_in(address)
    if not isinstance(found, IPv6Address):
        return address
    mapped = found.ipv4_mapped
    return str(mapped or ip_network((int(found), 64), strict=False))
