"""How an idempotency key is encoded for the wire, and decoded from what a payment service received."""

from urllib.parse import quote, unquote

# The visible ASCII characters that `quote` would encode, except the percent sign.
_VISIBLE = "!#$&'()*+,/:;<=>?@[]^`{|}\"\\"


def wire_key(idempotency_key: str) -> str:
    """The key as the ``Idempotency-Key`` header carries it; `ValueError` if it is empty.

    Visible ASCII is sent as it is; the rest, and the percent sign, becomes percent-encoded UTF-8. So every key can be
    sent, and two keys never become the same.
    """
    if not idempotency_key:
        raise ValueError("a charge needs an idempotency key")
    key = quote(idempotency_key, safe=_VISIBLE, errors="surrogatepass")
    # In the look-up's path, "." and ".." would mean folders.
    return key if key.strip(".") else key.replace(".", "%2E")


def key_from_wire(received: str) -> str | None:
    """The inverse of `wire_key`; None if no key is encoded as ``received``."""
    key = unquote(received)
    return key if key and wire_key(key) == received else None
