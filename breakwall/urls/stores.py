"""The URL of a breaker's store."""

from urllib.parse import SplitResult

from breakwall.urls.databases import check_server, check_sql
from breakwall.urls.parameters import REDIS, REDIS_SOCKET, check_parameters
from breakwall.urls.redis import check_redis_address, check_redis_database
from breakwall.urls.sentinel import is_sentinel, parse_sentinel_url
from breakwall.urls.syntax import parts_of, split

REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "unix", "sentinel")
# A breaker's store can be in these, also as `database+driver://`.
DATABASES = ("sqlite", "postgresql")
SCHEMES = ("memory", *REDIS_SCHEMES, *DATABASES)


def check_store_url(url: str) -> None:
    """The breaker's store in the settings, which `breakwall.breaker.store_from_url` opens."""
    if _is_database(url):
        check_sql(url, parts_of(url))
    elif is_sentinel(url):
        parse_sentinel_url(url)
    else:
        _check_memory_or_redis(url)


def check_library_url(url: str) -> None:
    """A program's own store for a breaker. Checks only that all libraries read it in the same way."""
    scheme = url.partition("://")[0]
    if scheme in REDIS_SCHEMES and not is_sentinel(url):
        _check_redis(scheme, parts_of(url))
    elif _is_database(url) and not scheme.startswith("sqlite"):
        check_server(url, parts_of(url))


def _is_database(url: str) -> bool:
    return url.partition("://")[0].partition("+")[0] in DATABASES


def _check_memory_or_redis(url: str) -> None:
    scheme, parts = split(url, *SCHEMES)
    if scheme != "memory":
        _check_redis(scheme, parts)
        check_redis_database(scheme, parts)
        _check_redis_parameters(url, parts)
    elif url != "memory://":
        raise ValueError("should be memory:// with nothing after it")


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
