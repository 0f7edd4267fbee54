"""The checks of Redis URLs, for the broker and for a breaker's store."""

import re
from urllib.parse import SplitResult, parse_qsl, unquote

from breakwall.urls.syntax import check_credentials, check_host, check_user_has_password


def check_redis_address(scheme: str, parts: SplitResult) -> None:
    """The host or the socket, and the user."""
    if scheme in {"unix", "redis+socket"}:
        _check_socket(scheme, parts)
    else:
        check_host(scheme, parts)
    check_user_has_password(scheme, parts)


def check_redis_database(scheme: str, parts: SplitResult) -> None:
    """The database's number, in the path or among the parameters."""
    named = [value for name, value in parse_qsl(parts.query) if name in {"db", "virtual_host"}]
    if scheme in {"redis", "rediss"} and parts.path not in {"", "/"}:
        named.append(unquote(parts.path[1:]))
    if not all(re.fullmatch("[0-9]+", database) for database in named):
        raise ValueError("should name its Redis database by number, as in redis://host:6379/0")


def _check_socket(scheme: str, parts: SplitResult) -> None:
    check_credentials(parts)
    if parts.hostname or parts.port is not None or len(parts.path) < 2:
        raise ValueError(f"names no socket: {scheme}:///absolute/path is right")
