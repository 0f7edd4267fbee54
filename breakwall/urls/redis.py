"""What the URLs of Redis have in common, for the broker and for a breaker's store."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, unquote

from breakwall.urls.sentinel import parse_sentinel_url
from breakwall.urls.syntax import (
    OTHER_HOST,
    check_credentials,
    check_host,
    check_user_has_password,
    parts_of,
)


def check_redis_address(scheme: str, parts: SplitResult) -> None:
    """The host or the socket, the user and the database's number."""
    if scheme in {"unix", "redis+socket"}:
        _check_socket(scheme, parts)
    else:
        check_host(scheme, parts)
    check_user_has_password(scheme, parts)


def check_redis_database(scheme: str, parts: SplitResult) -> None:
    """It is a number, in the path or among the parameters."""
    named = [value for name, value in parse_qsl(parts.query) if name in {"db", "virtual_host"}]
    if scheme in {"redis", "rediss"} and parts.path not in {"", "/"}:
        named.append(unquote(parts.path[1:]))
    if not all(re.fullmatch("[0-9]+", database) for database in named):
        raise ValueError("should name its Redis database by number, as in redis://host:6379/0")


def check_sentinel_url(url: str) -> None:
    """All of a URL of Redis behind Sentinel."""
    nodes = parse_sentinel_url(url).nodes
    for one in url.split(";"):
        parts = parts_of(one)
        check_credentials(parts)
        check_user_has_password("sentinel", parts)
    if not all(OTHER_HOST.fullmatch(host) for host, _ in nodes):
        raise ValueError(
            "has a host that cannot be one: sentinel://host:26379/0?master_name=… would be right"
        )


def _check_socket(scheme: str, parts: SplitResult) -> None:
    check_credentials(parts)
    if parts.hostname or parts.port is not None or len(parts.path) < 2:
        raise ValueError(f"names no socket: {scheme}:///absolute/path is right")
