"""Where the members of a fleet keep a circuit. A store decides nothing: it loads, and compares and swaps.

A version is an opaque text that every write makes anew, so that a store which was emptied and filled
again is never taken for the one that was read before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from breakwall.urls import check_library_url

ABSENT = ""
REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+socket", "sentinel")


@dataclass(frozen=True, slots=True)
class Record:
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
    """A place for circuits, by name. `load` and `swap` may raise anything when the store cannot be had.

    A store is used from one thread at a time. It opens its connections on first use, in the process that
    uses them.
    """

    @property
    def remote(self) -> bool:
        """Whether an answer may take long or not come: such a store is spoken to from a thread of its own."""
        ...

    def load(self, name: str) -> Record:
        """What is stored under ``name``."""
        ...

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, Record]:
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


def store_from_url(url: str) -> Store:
    """The store that ``url`` names. Nothing is connected yet.

    ``memory://`` is for one process; each call makes a new one. ``redis://``, ``rediss://``,
    ``unix:///path`` and ``redis+socket:///path`` are a Redis or Valkey server, and
    ``sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME`` is the master that the sentinels name.
    Anything else is taken for an SQLAlchemy URL; the store makes its table where that is missing.

    Raises:
        ValueError: the URL is none of these; the message does not repeat it, for it may hold a password.
        ModuleNotFoundError: the library for that kind of store is not installed.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or not scheme:
        raise ValueError("a breaker store's URL should be memory://, redis://… or an SQLAlchemy URL")
    # A store's library is imported only by those who use it: SQLAlchemy alone takes a quarter of a second.
    if scheme == "memory":
        from breakwall.breaker.stores.memory import MemoryStore

        return MemoryStore()
    check_library_url(url)
    if scheme in REDIS_SCHEMES:
        from breakwall.breaker.stores.redis import RedisStore

        return RedisStore(_redis_url(url))
    from breakwall.breaker.stores.sql import SQLStore

    return SQLStore(url)


def _redis_url(url: str) -> str:
    """``redis+socket:///path?virtual_host=1`` is how kombu writes what redis-py calls ``unix:///path?db=1``."""
    scheme, _, rest = url.partition("://")
    if scheme != "redis+socket":
        return url
    path, mark, query = rest.partition("?")
    return f"unix://{path}{mark}{query.replace('virtual_host=', 'db=')}"
