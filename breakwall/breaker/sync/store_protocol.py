"""What a synchronization needs from a store: to load a circuit's text, and to compare and swap it."""

from dataclasses import dataclass
from typing import Protocol

ABSENT = ""


@dataclass(frozen=True, slots=True)
class StoredCircuit:
    """One circuit as a store has it."""

    version: str  # Of the text; ``ABSENT`` if nothing is stored.
    text: str | None  # None if nothing is stored.
    now: float  # The store's clock when it answered: seconds since the epoch. See `Store`.


class Store(Protocol):
    """Keeps circuits, by name, for processes that share them.

    A store is used from one thread at a time. It opens its connections on first use, in the process that uses them. The
    object must be hashable and weakly referenceable, as plain classes are: a class with ``__slots__`` needs
    ``__weakref__`` among them, and a dataclass ``eq=False``.

    `load` and `swap` may raise any error, and each must end by itself soon, with an answer or an error: in about a
    second in Redis, two in SQL. A store may repeat a load. It must never repeat a swap: perhaps only the answer was
    lost, and the second swap would then find the first one's version and report a lost race.

    A name has up to 200 characters. A version is an opaque text of 16 hexadecimal characters, new with every write. So
    a store that was emptied and filled again is never mistaken for the one that was read before. A circuit's text has
    about a kilobyte, or a little more if an operator's override has a long reason.

    All processes compare times with the store's clock. A store without a clock may use `time.time`, if the clocks of
    all hosts agree to well within a refresh interval.
    """

    @property
    def remote(self) -> bool:
        """Whether an answer may be late or missing: such a store gets a thread of its own. False is for tests only."""

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
