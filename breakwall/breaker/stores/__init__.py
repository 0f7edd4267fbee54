"""Where a circuit is kept: in this process's memory, in Redis or Valkey, in a database.

`store_from_url` makes each kind; a store of one's own is a class with the methods of `Store`.
"""

from breakwall.breaker.stores.memory import MemoryStore
from breakwall.breaker.sync.store_protocol import ABSENT, Store, StoredCircuit
from breakwall.urls.stores import check_library_url

__all__ = ["ABSENT", "REDIS_SCHEMES", "AnyStore", "MemoryStore", "Store", "StoredCircuit", "store_from_url"]

AnyStore = Store | MemoryStore
REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+socket", "sentinel")


def store_from_url(url: str) -> AnyStore:
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
