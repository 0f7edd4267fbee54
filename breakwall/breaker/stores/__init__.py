"""Where a circuit is kept: in this process's memory, in Redis or Valkey, in a database.

An application passes a store of its own to `CircuitBreaker`. It needs only the class; `Store` says what it must do.

`docs/extending.md` lists what a new store of Breakwall needs.
"""

from breakwall.breaker.stores.memory import MemoryStore
from breakwall.breaker.sync.store_protocol import ABSENT, Store, StoredCircuit
from breakwall.urls.stores import DATABASES, REDIS_SCHEMES, check_library_url, kind_of

__all__ = ["ABSENT", "AnyStore", "MemoryStore", "Store", "StoredCircuit", "store_from_url"]

AnyStore = Store | MemoryStore


def store_from_url(url: str) -> AnyStore:
    """The store that ``url`` names. It connects on first use.

    ``memory://`` is for one process; each call makes a new store. ``redis://``, ``rediss://``, ``unix:///path`` and
    ``redis+socket:///path`` are a Redis or Valkey server;
    ``sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME`` is the primary that the sentinels name.
    ``sqlite:///path`` and ``postgresql://…`` are SQLAlchemy URLs; the store makes its table if it is missing.

    Raises:
        ValueError: the URL is none of these. The message does not repeat it, because it may contain a password.
        ModuleNotFoundError: the library for that kind of store is not installed.
    """
    try:
        check_library_url(url)
    except ValueError as error:
        raise ValueError(f"a breaker store's URL {error}") from None
    kind = kind_of(url)
    # A store's library is imported only if it is used: SQLAlchemy alone takes a quarter of a second.
    if kind == "memory":
        return MemoryStore()
    if kind in REDIS_SCHEMES:
        from breakwall.breaker.stores.redis import RedisStore

        return RedisStore(_redis_url(url))
    if kind in DATABASES:
        from breakwall.breaker.stores.sql import SQLStore

        return SQLStore(url)
    raise NotImplementedError(f"no store for {kind}://")


def _redis_url(url: str) -> str:
    """``redis+socket:///path?virtual_host=1`` is how kombu writes what redis-py calls ``unix:///path?db=1``."""
    scheme, _, rest = url.partition("://")
    if scheme != "redis+socket":
        return url
    path, mark, query = rest.partition("?")
    return f"unix://{path}{mark}{query.replace('virtual_host=', 'db=')}"
