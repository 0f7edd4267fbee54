"""The tokens of the API in a setting: the scopes that they may have, and each token's name, scopes and digest."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

MOST = 100  # Tokens in the setting: each request compares with all of them.

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile("[0-9a-f]{64}")


class Scope(StrEnum):
    """What the holder of a token may do. The names are public."""

    ORDERS_WRITE = "orders:write"  # Place orders, and look at one's own by its id or key.
    OPS_READ = "ops:read"  # See the backlog, the circuit and all orders.
    OPS_WRITE = "ops:write"  # Retry, cancel, resolve, pause, override the circuit.


@dataclass(frozen=True, slots=True)
class ConfiguredToken:
    """A token that a setting names. The token itself is not in it."""

    name: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)  # SHA-256 of the token, as hexadecimal digits.


def check_token_name(name: str) -> str:
    """The name, unchanged. Raises `ValueError`."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "should be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or a digit"
        )
    return name


def parse_scopes(text: str) -> frozenset[Scope]:
    """The scopes in a text, with spaces or + between them. Raises `ValueError`, which does not repeat the text."""
    names = re.split(r"[\s+]+", text.strip())
    known = {scope.value for scope in Scope}
    if not known.issuperset(names):
        raise ValueError(f"the scopes should be {', '.join(sorted(known))}, with + between them")
    return frozenset(map(Scope, names))


def parse_tokens(text: str) -> list[ConfiguredToken]:
    """The tokens in a setting: ``name:scopes:sha256``, with commas between them.

    Raises `ValueError`, which names each wrong entry by its place and repeats nothing of it.
    """
    tokens: list[ConfiguredToken] = []
    wrong: list[str] = []
    for place, entry in enumerate(text.split(","), 1):
        try:
            tokens.append(_parse(entry))
        except ValueError as error:
            wrong.append(f"entry {place}: {error}")
    if len({token.name for token in tokens}) < len(tokens):
        wrong.append("each token should have a name of its own")
    if len(tokens) > MOST:
        wrong.append(f"should hold at most {MOST} tokens")
    if wrong:
        raise ValueError("; ".join(wrong))
    return tokens


def _parse(entry: str) -> ConfiguredToken:
    # Scopes have a colon, too: the name is before the first one, the digest after the last one.
    name, _, rest = entry.strip().partition(":")
    scopes, colon, digest = rest.rpartition(":")
    if not colon or not scopes:
        raise ValueError(
            "should be name:scopes:sha256, such as shop:orders:write:9f86…; docs/access.md says more"
        )
    try:
        check_token_name(name)
    except ValueError as error:
        raise ValueError(f"the name {error}") from None
    if not _DIGEST.fullmatch(digest):
        raise ValueError(
            "after the last colon should be the token's SHA-256, as 64 hexadecimal digits in lower case"
        )
    return ConfiguredToken(name, parse_scopes(scopes), digest)
