"""What a synchronization needs from a store: to load a circuit's text, and to compare and swap it."""

from dataclasses import dataclass
from typing import Protocol

ABSENT = ""


@dataclass(frozen=True, slots=True)
class StoredCircuit:
    """One circuit as a store has it."""

    version: str  # Of the text; ``ABSENT`` if nothing is stored.
    text: str | None  # None if nothing is stored.
    now: float  # The store's clock when it answered: seconds since the epoch.


class Store(Protocol):
    """Keeps circuits, by name, for processes that share them. `load` and `swap` may raise any error.

    A store is used from one thread at a time. It opens its connections on first use, in the process that uses them.

    A version is an opaque text, new with every write. So a store that was emptied and filled again is never mistaken
    for the one that was read before.
    """

    @property
    def remote(self) -> bool:
        """Whether an answer may be late or missing: such a store gets a thread of its own."""

    def load(self, name: str) -> StoredCircuit:
        """What is stored under ``name``."""

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        """Store ``text`` as ``version`` if the stored version still is ``seen``.

        Returns:
            Whether it was, and what is stored now.
        """

    def close(self) -> None:
        """Close the connections. A later `load` or `swap` opens new ones. Safe to call twice."""

    def forget_connections(self) -> None:
        """Leave the connections to the parent process. Called in a child right after a fork."""
