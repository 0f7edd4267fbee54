"""Where a circuit is kept: in this process's memory, in Redis or Valkey, in a database.

A new store needs, in this order:

1. here a module with a class that has the methods of `Store` (`sync/store_protocol.py`), and its unit tests;
2. its URL's scheme in `breakwall/urls/stores.py`, the only list of the schemes, and its branch in `check_store_url`:
   a scheme without a branch is checked as Redis;
3. a branch and the URL's form in `store_from_url`; its library, if that is new, in `pyproject.toml` and
   `breakwall/doctor/machine.py`;
4. if it is a server, `tests/servers/KIND.py`, its export there, and the names in `SERVER_FIXTURES` and
   `SERVER_PARAMETERS` of `tests/conftest.py`;
5. a fixture ``KIND_url`` in `tests/conftest.py`, and the kind in `SHARED` of `tests/contract/breaker/conftest.py` and
   in `breakable` of `test_store_loss.py` beside it: the contract tests then run on it;
6. a line in the table "Stores" of `docs/breaker.md`, in README's `BREAKER_STORE_URL`, in `.env.example`, and in
   `bench/breaker_stores.py`.

An application can pass a store of its own to `CircuitBreaker`: it needs the class only.
"""

from breakwall.breaker.stores.memory import MemoryStore
from breakwall.breaker.sync.store_protocol import ABSENT, Store, StoredCircuit
from breakwall.urls.stores import REDIS_SCHEMES, check_library_url

__all__ = ["ABSENT", "AnyStore", "MemoryStore", "Store", "StoredCircuit", "store_from_url"]

AnyStore = Store | MemoryStore


def store_from_url(url: str) -> AnyStore:
    """The store that ``url`` names. It connects on first use.

    ``memory://`` is for one process; each call makes a new store. ``redis://``, ``rediss://``, ``unix:///path`` and
    ``redis+socket:///path`` are a Redis or Valkey server;
    ``sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME`` is the primary that the sentinels name. Any
    other URL is SQLAlchemy's; the store makes its table if it is missing.

    Raises:
        ValueError: the URL is none of these. The message does not repeat it, because it may contain a password.
        ModuleNotFoundError: the library for that kind of store is not installed.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or not scheme:
        raise ValueError("a breaker store's URL should be memory://, redis://… or an SQLAlchemy URL")
    # A store's library is imported only if it is used: SQLAlchemy alone takes a quarter of a second.
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
