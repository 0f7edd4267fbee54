"""How payment services read a key: what frameworks, routers and columns really do to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from breakwall.payments.gateways.wire_keys import wire_key


@dataclass(frozen=True)
class Mangling:
    """How a service reads a key."""

    name: str
    # The key that it reads; None: no route matches, or no charge can have such a key.
    read: Callable[[str], str | None] = field(repr=False)
    on_both_sides: bool = False  # Charges are stored under that key, too; else only look-ups read keys so.

    def stored_as(self, key: str) -> str:
        """The key that a charge is stored under."""
        return (self.read(wire_key(key)) or "") if self.on_both_sides else wire_key(key)

    def looked_up_as(self, key: str) -> str | None:
        """The key that a look-up reads, or None."""
        return self.read(wire_key(key))

    def confuses(self, keys: Sequence[str]) -> bool:
        """Whether it takes one of these keys for another of them."""
        stored = {key: self.stored_as(key) for key in keys}
        return len(set(stored.values())) < len(keys) or any(
            self.looked_up_as(key) == stored[other] for key in keys for other in keys if key != other
        )

    def denies(self, keys: Sequence[str]) -> bool:
        """Whether a look-up misses what was charged under one of these keys."""
        return any(self.looked_up_as(key) != self.stored_as(key) for key in keys)


def _without_format(key: str) -> str:
    return key.rpartition(".")[0] or key


def _as_number(key: str) -> str:
    return str(int(key)) if key.isascii() and key.isdigit() else key


FAITHFUL = Mangling("reads keys as they are", lambda key: key)

READINGS: dict[str, Callable[[str], str]] = {
    "takes what follows a dot for a format": _without_format,
    "ignores case": str.lower,
    "cuts at 10": lambda key: key[:10],
    "cuts at 20": lambda key: key[:20],
    "strips punctuation at the end": lambda key: key.rstrip("./=+-"),
    "decodes twice": unquote,
    "reads digits as a number": _as_number,
}

ROUTES: dict[str, Callable[[str], str | None]] = {
    **READINGS,
    "decodes %2F before it routes": lambda key: None if "/" in key else key,
    "knows plain keys only": lambda key: key if key.replace("-", "").isalnum() else None,
    "knows short keys only": lambda key: key if len(key) <= 20 else None,
}
"""What a look-up's address may do to a key."""

MANGLINGS = [
    *(Mangling(f"its look-up {name}", read) for name, read in ROUTES.items()),
    *(Mangling(f"it {name}", read, on_both_sides=True) for name, read in READINGS.items()),
]
