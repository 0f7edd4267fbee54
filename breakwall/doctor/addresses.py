"""What may be told of a URL."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

LISTS = ("amqp", "amqps", "sentinel")
"""Schemes with which a URL may be several, with a ; between them."""


def where(url: str) -> str:
    """The address in a URL, without user, password and query: ``where("redis://:pw@h:1/0") == "redis://h:1"``."""
    scheme, _, rest = url.partition("://")
    if scheme in LISTS and ";" in rest:
        return ", ".join(where(one) for one in url.split(";"))
    # The scheme may have an underscore (oracle+cx_oracle), with which urlsplit would take all for a path.
    parts = urlsplit(f"any://{rest}")
    if not parts.hostname:
        return f"{scheme}://{unquote(parts.path)}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{f':{parts.port}' if parts.port else ''}"
