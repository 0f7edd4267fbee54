"""Where a circuit is kept: in this process's memory, in Redis or Valkey, in a database.

An application passes a store of its own to `CircuitBreaker`. It needs only the class; `Store` says what it must do.

`docs/extending.md` lists what a new store of Breakwall needs.
"""

from typing import TYPE_CHECKING, Any

from breakwall.breaker.drivers import needed_for
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.breaker.sync.store_protocol import ABSENT, Store, StoredCircuit
from breakwall.urls.stores import DATABASES, REDIS_SCHEMES, check_library_url, kind_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

__all__ = [
    "ABSENT",
    "AnyStore",
    "MemoryStore",
    "Store",
    "StoredCircuit",
    "store_from_engine",
    "store_from_redis",
    "store_from_url",
]

AnyStore = Store | MemoryStore

REDIS = {"redis": "redis>=6.4,<9"}
SQL = {"sqlalchemy": "sqlalchemy>=2.1,<2.2", "psycopg": "breakwall[postgres]"}


def store_from_url(url: str) -> AnyStore:
    """The store that ``url`` names. It connects on first use.

    ``memory://`` is for one process; each call makes a new store. ``redis://``, ``rediss://``, ``unix:///path`` and
    ``redis+socket:///path`` are a Redis or Valkey server;
    ``sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME`` is the primary that the sentinels name.
    ``sqlite:///path`` and ``postgresql://…`` are SQLAlchemy URLs; the store makes its table if it is missing.

    Raises:
        ValueError: the URL is none of these. The message does not repeat it, because it may contain a password.
        ModuleNotFoundError: the driver for that kind of store is not installed. The message names it.
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
        with needed_for(f"a breaker store at {kind}://", **REDIS):
            from breakwall.breaker.stores.redis import RedisStore

            return RedisStore(_redis_url(url))
    if kind in DATABASES:
        with needed_for(f"a breaker store at {kind}://", **SQL):
            from breakwall.breaker.stores.sql import SQLStore

            return SQLStore(url)
    raise NotImplementedError(f"no store for {kind}://")


def store_from_redis(client: Any, prefix: str = "breakwall:breaker:") -> Store:
    """A store that uses a Redis or Valkey client of the application, with its connections, credentials and TLS.

    The application closes the client. A client for this alone is best made with ``socket_timeout=1``.

    Args:
        client: a `redis.Redis` (also ``sentinel.master_for(NAME)``), a `redis.RedisCluster`, a `redis.ConnectionPool`,
            or a client with the same methods, such as `valkey.Valkey`; not one of ``redis.asyncio``.
        prefix: of the keys, to which the circuit's name is added. The same in all processes.

    Raises:
        TypeError: it is none of these. The message says what to pass.
        ValueError: the client has no ``socket_timeout``: it would wait for ever for a server that is gone.
        ModuleNotFoundError: redis-py is not installed.
    """
    with needed_for("a breaker store in Redis", **REDIS):
        from breakwall.breaker.stores.redis import ClientStore, check_client

        return ClientStore(check_client(client), prefix)


def store_from_engine(engine: "Engine") -> Store:
    """A store that uses an SQLAlchemy engine of the application, with its pool and connection options.

    The application disposes of the engine. Each statement is a transaction of its own. The store makes the table
    ``breakwall_circuits`` if it is missing.

    Args:
        engine: a synchronous one, on PostgreSQL or a file of SQLite. While its pool has no free connection, the store
            waits, and counts as lost after a second.

    Raises:
        TypeError: it is no synchronous engine.
        ValueError: it is of another database, or of SQLite in memory.
        ModuleNotFoundError: SQLAlchemy is not installed.
    """
    with needed_for("a breaker store in a database", **SQL):
        from breakwall.breaker.stores.engine import EngineStore, check_engine

        return EngineStore(check_engine(engine))


def _redis_url(url: str) -> str:
    """``redis+socket:///path?virtual_host=1`` is how kombu writes what redis-py calls ``unix:///path?db=1``."""
    scheme, _, rest = url.partition("://")
    if scheme != "redis+socket":
        return url
    path, mark, query = rest.partition("?")
    return f"unix://{path}{mark}{query.replace('virtual_host=', 'db=')}"
