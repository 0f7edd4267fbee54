"""The URL of a Redis behind Sentinel, for the broker and for a breaker's store.

``sentinel://:password@h1:26379;sentinel://h2:26379/0?master_name=mymaster`` has any number of sentinels with a ;
between them, as in kombu, then the database and the sentinels' name for the master. User and password are Redis's;
those of the sentinels are parameters, ``sentinel_username`` and ``sentinel_password``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote

from breakwall.urls.syntax import check_host, check_user_has_password, parts_of

SCHEME = "sentinel://"
PORT = 26379
CREDENTIALS = ("sentinel_username", "sentinel_password")
PARAMETERS = ("master_name", *CREDENTIALS)
RIGHT = "sentinel://:password@host:26379;sentinel://host2:26379/0?master_name=NAME would be right"


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """The parts of such a URL. `master` and `sentinels` hold credentials under redis-py's names."""

    nodes: tuple[tuple[str, int], ...]
    master_name: str
    database: int
    master: dict[str, str] = field(repr=False)
    sentinels: dict[str, str] = field(repr=False)


def is_sentinel(url: str) -> bool:
    """Whether ``url`` names a master behind sentinels."""
    return url.startswith(SCHEME)


def parse_sentinel_url(url: str) -> SentinelAddress:
    """Read the URL, or raise `ValueError` with what would be right and no part of the URL."""
    parts = [_parts(one) for one in url.split(";")]
    if any(part.path or part.query for part in parts[:-1]):
        raise ValueError(f"should name its database and master once, at its end: {RIGHT}")
    named = _parameters(parts[-1].query)
    return SentinelAddress(
        nodes=tuple((str(part.hostname), part.port or PORT) for part in parts),
        master_name=named["master_name"],
        database=_database(parts[-1].path),
        master=_credentials(parts),
        sentinels={
            name.removeprefix("sentinel_"): value for name, value in named.items() if name in CREDENTIALS
        },
    )


def sentinel_client(address: SentinelAddress, *, timeout: float, **options: Any) -> Any:
    """A redis-py client that asks the sentinels for the master at each connection. Connects at its first use.

    ``timeout``: seconds for each wait for the master, and for all sentinels together. ``options``: more for the
    master's connections.
    """
    from redis.sentinel import Sentinel

    asking = sentinel_options(address, timeout)
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    manager: Any = Sentinel(address.nodes, sentinel_kwargs=asking, **address.master, **timeouts, **options)  # type: ignore[no-untyped-call]
    return manager.master_for(address.master_name, db=address.database)


def sentinel_options(address: SentinelAddress, timeout: float) -> dict[str, Any]:
    """Options for asking a sentinel: once, with a timeout that leaves time for the next sentinel."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    each = timeout / len(address.nodes)
    timeouts = {"socket_timeout": each, "socket_connect_timeout": each}
    return {**address.sentinels, **timeouts, "retry": Retry(NoBackoff(), 0)}


def _parts(url: str) -> SplitResult:
    if not is_sentinel(url):
        raise ValueError(
            f"should begin each of its addresses with {SCHEME} (in a password ; is %3B): {RIGHT}"
        )
    parts = parts_of(url)
    check_host("sentinel", parts)
    check_user_has_password("sentinel", parts)
    return parts


def _parameters(query: str) -> dict[str, str]:
    # A + stays a +, as in a base64 password. In a web form it would be a space.
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    named = dict(pairs)
    if set(named) - set(PARAMETERS) or len(named) < len(pairs) or not all(named.values()):
        raise ValueError(
            f"takes {', '.join(PARAMETERS)} after its ?, once each, and nothing else; TLS is not supported there"
        )
    if "master_name" not in named:
        raise ValueError(f"does not name the master: {RIGHT}")
    return named


def _database(path: str) -> int:
    text = unquote(path.removeprefix("/")) or "0"
    if not re.fullmatch("[0-9]+", text):
        raise ValueError(f"should name its Redis database by number: {RIGHT}")
    return int(text)


def _credentials(parts: Sequence[SplitResult]) -> dict[str, str]:
    named = [
        {key: unquote(value) for key in ("username", "password") if (value := getattr(part, key))}
        for part in parts
    ]
    given = [credentials for credentials in named if credentials]
    if any(credentials != given[0] for credentials in given):
        raise ValueError(
            "names two users or passwords for one master: name it once, or the same at each sentinel"
        )
    return given[0] if given else {}
