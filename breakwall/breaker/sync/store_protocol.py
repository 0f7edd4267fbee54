"""What the synchronization needs of a store: to load a circuit's text, and to compare and swap it."""

from dataclasses import dataclass
from typing import Protocol

ABSENT = ""


@dataclass(frozen=True, slots=True)
class StoredCircuit:
    """One circuit as a store has it.

    Attributes:
        version: of the text; ``ABSENT`` when there is none.
        text: as it was written; None when there is none.
        now: the store's clock, seconds since the epoch, when it answered.
    """

    version: str
    text: str | None
    now: float


class Store(Protocol):
    """A place for circuits, by name, that processes share. `load` and `swap` may raise anything when it fails.

    A store is used from one thread at a time. It opens its connections on first use, in the process that uses them.

    A version is an opaque text that every write makes anew. So a store that was emptied and filled again is never
    mistaken for the one that was read before.
    """

    @property
    def remote(self) -> bool:
        """Whether an answer may be slow or not come: such a store gets a thread of its own."""
        ...

    def load(self, name: str) -> StoredCircuit:
        """What is stored under ``name``."""
        ...

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        """Store ``text`` as ``version`` if ``seen`` is still the version there.

        Returns:
            Whether it was, and what is stored now.
        """
        ...

    def close(self) -> None:
        """Close the connections. A later `load` or `swap` opens new ones. Safe to call twice."""
        ...

    def forget_connections(self) -> None:
        """Leave the connections to the parent process: called in a child right after a fork."""
        ...
