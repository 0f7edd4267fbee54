"""The URL of a breaker's store."""

from collections.abc import Callable, Mapping
from urllib.parse import SplitResult

from breakwall.urls.databases import check_server, check_sql
from breakwall.urls.parameters import REDIS, REDIS_SOCKET, check_parameters
from breakwall.urls.redis import check_redis_address, check_redis_database
from breakwall.urls.sentinel import is_sentinel, parse_sentinel_url
from breakwall.urls.syntax import parts_of, scheme_of, split

REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "unix", "sentinel")
# A breaker's store can be in these, also as `database+driver://`.
DATABASES = ("sqlite", "postgresql")


def check_store_url(url: str) -> None:
    """The breaker's store in the settings, which `breakwall.breaker.store_from_url` opens."""
    _CHECKS[kind_of(url)](url)


def check_library_url(url: str) -> None:
    """A program's own store for a breaker. Checks only that all libraries read it in the same way."""
    kind = kind_of(url)
    if kind in REDIS_SCHEMES and not is_sentinel(url):
        _check_redis(kind, parts_of(url))
    elif kind == "postgresql":
        check_server(url, parts_of(url))


def kind_of(url: str) -> str:
    """The one of `SCHEMES` that the URL begins with, without a database's driver; or raise `ValueError`."""
    scheme = url.partition("://")[0]
    database = scheme.partition("+")[0]
    return database if database in DATABASES else scheme_of(url, *SCHEMES)


def _check_memory(url: str) -> None:
    if url != "memory://":
        raise ValueError("should be memory:// with nothing after it")


def _check_sql(url: str) -> None:
    check_sql(url, parts_of(url))


def _check_redis_setting(url: str) -> None:
    scheme, parts = split(url, *REDIS_SCHEMES)
    _check_redis(scheme, parts)
    check_redis_database(scheme, parts)
    _check_redis_parameters(url, parts)


def _check_redis(scheme: str, parts: SplitResult) -> None:
    check_redis_address(scheme, parts)
    check_parameters(parts.query, REDIS_SOCKET if scheme == "redis+socket" else REDIS)


def _check_redis_parameters(url: str, parts: SplitResult) -> None:
    if not parts.query:
        return
    import redis

    as_redis_py = url.replace("redis+socket:", "unix:", 1).replace("virtual_host=", "db=")
    try:
        redis.ConnectionPool.from_url(as_redis_py).make_connection()
    except (TypeError, ValueError):
        raise ValueError("has something after ? that redis-py does not take") from None


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "memory": _check_memory,
    **dict.fromkeys(REDIS_SCHEMES, _check_redis_setting),
    "sentinel": parse_sentinel_url,
    **dict.fromkeys(DATABASES, _check_sql),
}
SCHEMES = tuple(_CHECKS)
