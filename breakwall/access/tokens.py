"""A token of the API: what it looks like, and what is kept of it."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from breakwall.access.scopes import Scope

PREFIX = "bw_"  # So that a scanner for secrets recognises a token: `PATTERN`.
RANDOM_BYTES = 32
PATTERN = re.compile(r"bw_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A valid token, without the token itself."""

    name: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)


def new_token() -> str:
    """A new token. It is a secret: it is shown to a person once, and stored nowhere."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest_of(secret: str) -> str:
    """What is stored of a token, or of a browser's cookie: SHA-256 as hexadecimal digits.

    A slow hash protects passwords, because people choose them and they can be guessed. These are 256 random bits: no
    one finds them by guessing, however fast the hash is.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
