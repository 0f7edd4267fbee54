"""How an idempotency key travels, and which key a payment service means by what it received."""

from __future__ import annotations

from urllib.parse import quote, unquote

_VISIBLE = "!#$&'()*+,/:;<=>?@[]^`{|}\"\\"
"""The visible ASCII characters that `quote` would not leave as they are, without the percent sign."""


def wire_key(idempotency_key: str) -> str:
    """The key as the ``Idempotency-Key`` header carries it.

    Visible ASCII without a percent sign goes as it is; the rest is percent-encoded UTF-8, so that every
    key can be sent and no two become the same.

    Raises:
        ValueError: the key is empty.
    """
    if not idempotency_key:
        raise ValueError("a charge needs an idempotency key")
    key = quote(idempotency_key, safe=_VISIBLE, errors="surrogatepass")
    # A path of dots would be taken for a folder by the look-up.
    return key if key.strip(".") else key.replace(".", "%2E")


def key_behind(received: str) -> str | None:
    """The key that travels as ``received``: `wire_key`, the other way round; None where no key does."""
    key = unquote(received)
    return key if key and wire_key(key) == received else None
