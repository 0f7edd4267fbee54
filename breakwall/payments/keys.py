"""The names of an order: its id, and the key that is sent to the payment service.

Both are derived. So an order that is placed again after its database was lost is the same request again, and its
rotated keys are the same ones in the same order:

    id  = the first 16 bytes of SHA-256(site, the caller's key), in hexadecimal
    key = base32(the first 4 bytes of SHA-256(id, rotation) + the id's 16 bytes)

A key is 32 characters of a-z and 2-7: no router, proxy, framework or column changes it. Its first ten (50 bits)
distinguish it from every other key, and the id within it finds the order. Older orders keep the keys that they have.
"""

import hashlib
import re
from base64 import b32decode, b32encode
from bisect import bisect_left

from breakwall.payments.gateways.wire_keys import wire_key

_DERIVED = re.compile(r"[a-z2-7]{32}")
_ROTATED_BEFORE = re.compile(r"([0-9a-f]{32})\.[0-9]+")
_SPECIAL_RUN = re.compile(r"[^0-9A-Za-z]+")
_PREFIX = 4

# Usual lengths of a column for keys. A service that cuts a key off does so at one of them.
COLUMN_SIZES = (10, 16, 20, 32, 36, 40, 50, 64, 100, 128, 191, 200, 255)


def derive_order_id(site: str, idempotency_key: str) -> str:
    """The id of the order that a site accepts under a caller's key."""
    return _digest(site, idempotency_key)[:16].hex()


def derive_charge_key(order_id: str, rotation: int = 0) -> str:
    """The key that is sent with an order.

    Args:
        order_id: 32 hexadecimal digits.
        rotation: 0 for the first key, 1 for the next one, and so on.
    """
    prefix = _digest(order_id, str(rotation))[:_PREFIX]
    return b32encode(prefix + bytes.fromhex(order_id)).decode().lower()


def order_id_within(key: str) -> str | None:
    """The id of the order that a key was derived for; None for a caller's own key.

    For a key that only looks like a derived one it is the id of no order.
    """
    if _DERIVED.fullmatch(key):
        return b32decode(key.upper())[_PREFIX:].hex()
    before = _ROTATED_BEFORE.fullmatch(key)
    return before and before[1]


def key_shape(key: str) -> str:
    """What may make a service treat one key differently from another, as a text; it treats keys of one shape alike.

    That is the class of its length, whether it is all digits (and begins with a zero), whether it has capitals, and
    each run of other characters, marked if it begins (``l``) or ends (``t``) the key:
    ``key_shape("shop/17") == "10a/"``.
    """
    length = (*COLUMN_SIZES, "more")[bisect_left(COLUMN_SIZES, len(wire_key(key)))]
    runs = {_marked(run) for run in _SPECIAL_RUN.finditer(key)}
    return f"{length}{_kind(key)}" + "n".join(sorted(runs))


def _kind(key: str) -> str:
    if key.isascii() and key.isdigit():
        # A service that stores a number loses the leading zeros.
        return "0" if key.startswith("0") else "d"
    return "A" if key.lower() != key else "a"


def _marked(run: re.Match[str]) -> str:
    if run.end() == len(run.string):
        return f"t{run[0]}"
    return run[0] if run.start() else f"l{run[0]}"


def _digest(*parts: str) -> bytes:
    # A length before each part: no two lists of parts give the same bytes.
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%s" % (len(encoded), encoded))
    return digest.digest()
