"""The keys that an order's charges go by at the gateway: the order's own, and those made after it."""

from __future__ import annotations

import re

_RENEWED = re.compile(r"([0-9a-f]{32})\.[0-9]+")


def renewed_key(order_id: str, fence: int) -> str:
    """The key that takes over once it is proven that nothing was charged under those before it."""
    return f"{order_id}.{fence}"


def order_id_within(key: str) -> str | None:
    """The id of the order that a key was made for by `renewed_key`; None for any other key."""
    found = _RENEWED.fullmatch(key)
    return found and found[1]
