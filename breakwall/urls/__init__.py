"""What each URL in the settings has to be like, so that none fails later, where it is used.

A check raises `ValueError` with what would be right, and never repeats the URL, which may hold a password.
What only a library can tell is asked of it for rare forms alone: importing one takes longer than all the rest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, unquote_to_bytes, urlsplit

from breakwall.urls.parameters import (
    BROKERS,
    POSTGRESQL,
    REDIS,
    REDIS_SOCKET,
    check_parameters,
)

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")
BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps")
STORE_SCHEMES = ("memory", "redis", "rediss", "redis+socket", "unix", "sentinel")
STORE_DATABASES = ("sqlite", "postgresql")
"""Those that a breaker's store can be in; each also as ``database+driver://``."""

LISTS = ("amqp", "amqps", "sentinel")
"""Schemes with which a URL may be several, with a ; between them."""

PLAIN_HOST = re.compile(r"[\w.-]+", re.ASCII)
OTHER_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F.]*:[0-9a-fA-F:.]*(%[\w.-]+)?")
FOUR_NUMBERS = re.compile(r"\d+(\.\d+){3}", re.ASCII)
NO_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")

ESCAPES = "in a user or a password @ is %40, : is %3A, / is %2F, ? is %3F, # is %23, ; is %3B, % is %25"


def check_database_url(url: str) -> None:
    """The orders database."""
    _, parts = _split(url, *DATABASE_SCHEMES)
    _check_sql(url, parts)


def check_broker_url(url: str) -> None:
    """The broker, as kombu reads it: several with a ; between them are sentinels, or nodes of one RabbitMQ."""
    if url.startswith("sentinel://"):
        _check_sentinel(url)
        return
    nodes = url.split(";")
    for one in nodes:
        _check_broker(one)
    if len(nodes) > 1:
        _check_nodes(nodes)


def check_store_url(url: str) -> None:
    """The breaker's store, as `breakwall.breaker.store_from_url` reads it."""
    database = url.partition("://")[0].partition("+")[0]
    if database in STORE_DATABASES:
        _check_sql(url, _parts(url.partition("://")[2]))
        return
    if url.startswith("sentinel://"):
        _check_sentinel(url)
        return
    scheme, parts = _split(url, *STORE_SCHEMES, *STORE_DATABASES)
    if scheme == "memory":
        if url != "memory://":
            raise ValueError("should be memory:// with nothing behind it")
        return
    _check_redis_store(scheme, parts)
    _check_redis_database(parts, in_path=scheme in {"redis", "rediss"})
    _check_redis_parameters(url, parts)


def check_library_url(url: str) -> None:
    """A breaker's store that a program names by itself: only that it is written so that all read the same in it."""
    scheme, _, rest = url.partition("://")
    if scheme in {"unix", "redis", "rediss", "redis+socket"}:
        _check_redis_store(scheme, _parts(rest))
    elif scheme.partition("+")[0] in STORE_DATABASES and not scheme.startswith("sqlite"):
        _check_server(url, _parts(rest))


def check_payment_url(url: str) -> None:
    """The payment service, to whose address ``/api/charge`` is added."""
    scheme, parts = _split(url, "http", "https")
    if "?" in url or "#" in url:
        raise ValueError("should end with its path, without ? and #")
    _check_host(scheme, parts)
    if not PLAIN_HOST.fullmatch(parts.hostname or ""):
        _check_http_host(parts)


def check_proxy_url(url: str) -> None:
    """The proxy on the way to the payment service."""
    scheme, parts = _split(url, "http")
    _check_host(scheme, parts)
    if parts.port is None:
        raise ValueError("names no port: http://host:port would be right")
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        raise ValueError("should end with its port: http://user:password@host:port would be right")
    if not PLAIN_HOST.fullmatch(parts.hostname or ""):
        _check_http_host(parts)


def names_a_user(url: str) -> bool:
    """Whether there is a user or a password in it."""
    return "@" in urlsplit(url).netloc


def where(url: str) -> str:
    """The address in a URL, without user, password and query: ``where("redis://:pw@h:1/0") == "redis://h:1"``.

    What cannot be read is left out: it may be half of a password.
    """
    scheme, _, rest = url.partition("://")
    if scheme in LISTS and ";" in rest:
        return ", ".join(where(one) for one in url.split(";"))
    try:
        # The scheme may have an underscore (oracle+cx_oracle), with which urlsplit would take all for a path.
        parts = urlsplit(f"any://{rest}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"{scheme}://…"
    if not parts.hostname:
        return f"{scheme}://{unquote(parts.path)}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{port}"


def missing_file(url: str) -> Path | None:
    """The SQLite file that the URL names, if it is not there: connecting would make an empty one.

    One that this user may not look for is not missing: connecting says what is wrong.
    """
    from sqlalchemy import make_url

    parsed = make_url(url)
    file = Path(parsed.database or "")
    try:
        missing = parsed.get_backend_name() == "sqlite" and not file.exists()
    except PermissionError:
        missing = False
    return file if missing else None


def _check_broker(url: str) -> None:
    scheme, parts = _split(url, *BROKER_SCHEMES)
    if scheme == "redis+socket":
        _check_socket(scheme, parts)
    else:
        _check_host(scheme, parts)
    _check_no_lone_user(scheme, parts)
    if scheme.startswith("amqp"):
        _check_name(parts, "virtual host")
    check_parameters(parts.query, BROKERS.get(scheme, {}))
    if scheme.startswith("redis"):
        _check_redis_database(parts, in_path=scheme != "redis+socket")


def _check_redis_store(scheme: str, parts: SplitResult) -> None:
    if scheme in {"unix", "redis+socket"}:
        _check_socket(scheme, parts)
    else:
        _check_host(scheme, parts)
    _check_no_lone_user(scheme, parts)
    check_parameters(parts.query, REDIS_SOCKET if scheme == "redis+socket" else REDIS)


def _check_sentinel(url: str) -> None:
    from breakwall.urls.sentinel import parse_sentinel_url

    nodes = parse_sentinel_url(url).nodes
    for one in url.split(";"):
        parts = _parts(one.partition("://")[2])
        _check_form(parts)
        _check_no_lone_user("sentinel", parts)
    if not all(OTHER_HOST.fullmatch(host) for host, _ in nodes):
        raise ValueError(
            "has a host that cannot be one: sentinel://host:26379/0?master_name=… would be right"
        )


def _check_nodes(nodes: list[str]) -> None:
    parts = [urlsplit(node) for node in nodes]
    if not all(part.scheme.startswith("amqp") for part in parts):
        raise ValueError(
            "names several servers, and each Redis holds a queue of its own: what is sent to one is not seen by "
            "who reads another. Name one, or a Redis with replicas behind Sentinel: "
            "sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME"
        )
    alike = {(part.scheme, part.username, part.password, part.path or "/", part.query) for part in parts}
    if len(alike) > 1:
        raise ValueError(
            "names several nodes of one RabbitMQ: scheme, user, password and virtual host should be the same in each"
        )


def _split(url: str, *schemes: str) -> tuple[str, SplitResult]:
    wanted = ", ".join(f"{scheme}://" for scheme in schemes)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in schemes:
        raise ValueError(f"should be a URL that starts with one of {wanted}")
    return scheme, _parts(rest)


def _parts(rest: str) -> SplitResult:
    if re.search(r"[\x00-\x1f\x7f]", rest):
        raise ValueError("holds a control character, such as a tab or the end of a line")
    if "#" in re.split("[/?]", rest)[0]:
        raise ValueError("holds a # before its path: %23 would be right")
    try:
        # The scheme may have an underscore (oracle+cx_oracle), which urlsplit does not know.
        parts = urlsplit(f"any://{rest}")
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        # What it takes for a port may be half of a password.
        hint = f"; {ESCAPES}" if "@" in rest else ""
        raise ValueError(f"is not a URL; its port should be a number from 1 to 65535{hint}")
    return parts


def _check_host(scheme: str, parts: SplitResult) -> None:
    _check_form(parts)
    if not parts.hostname:
        raise ValueError(f"names no host: {scheme}://host:port/… would be right")
    _check_host_name(scheme, parts.hostname)


def _check_host_name(scheme: str, host: str) -> None:
    if not OTHER_HOST.fullmatch(host) or (FOUR_NUMBERS.fullmatch(host) and not _is_address(host)):
        raise ValueError(f"has a host that cannot be one: {scheme}://host:port/… would be right")


def _check_form(parts: SplitResult) -> None:
    """Whether every library reads the same user, password and host: one of them shows what it takes for a host."""
    if parts.netloc.count("@") > 1 or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ValueError(f"holds an @ elsewhere than before its host; {ESCAPES}")
    if parts.fragment:
        raise ValueError(f"holds a #; {ESCAPES}")
    userinfo = parts.netloc.rpartition("@")[0]
    if NO_ESCAPE.search(userinfo + parts.path):
        raise ValueError(f"holds a % that begins no escape: %25 would be right; {ESCAPES}")
    try:
        unquote_to_bytes(userinfo).decode()
    except UnicodeDecodeError:
        raise ValueError("has escapes before its host that are no UTF-8") from None


def _check_no_lone_user(scheme: str, parts: SplitResult) -> None:
    # Most often it is the password: it stands before the @ and nobody would take it for a secret.
    if parts.username and parts.password is None:
        raise ValueError(
            f"names a user without a password: {scheme}://:password@host/… or "
            f"{scheme}://user:password@host/… would be right"
        )


def _check_name(parts: SplitResult, what: str) -> None:
    # The server repeats a name that it does not know: here it would be a password in the wrong place.
    if re.search("[:;&=]", parts.path):
        raise ValueError(
            f"has a : ; & or = in its {what}'s name: user and password belong before the host, and the first "
            "parameter behind a ?; in a name : is %3A, ; is %3B, & is %26, = is %3D"
        )


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _check_http_host(parts: SplitResult) -> None:
    import httpx2

    try:
        httpx2.URL(f"http://{parts.netloc}")
    except httpx2.InvalidURL:
        raise ValueError("has a host that cannot be one: http://host:port/… would be right") from None


def _check_socket(scheme: str, parts: SplitResult) -> None:
    _check_form(parts)
    if parts.hostname or parts.port is not None or len(parts.path) < 2:
        raise ValueError(f"names no socket: {scheme}:///absolute/path is right")


def _check_redis_database(parts: SplitResult, *, in_path: bool) -> None:
    named = [value for name, value in parse_qsl(parts.query) if name in {"db", "virtual_host"}]
    if in_path and parts.path not in {"", "/"}:
        named.append(unquote(parts.path[1:]))
    if not all(re.fullmatch("[0-9]+", database) for database in named):
        raise ValueError("should name its Redis database by number, as in redis://host:6379/0")


def _check_redis_parameters(url: str, parts: SplitResult) -> None:
    if not parts.query:
        return
    import redis

    as_redis_py = url.replace("redis+socket:", "unix:", 1).replace("virtual_host=", "db=")
    try:
        redis.ConnectionPool.from_url(as_redis_py).make_connection()
    except (TypeError, ValueError):
        raise ValueError("has something after ? that redis-py does not take") from None


def _check_sql(url: str, parts: SplitResult) -> None:
    scheme = url.partition("://")[0]
    database = scheme.partition("+")[0]
    if database == "sqlite":
        _check_sqlite(url)
    else:
        _check_server(url, parts)
    if scheme not in DATABASE_SCHEMES:
        _check_driver(url, database)


def _check_sqlite(url: str) -> None:
    host, _, file = url.partition("://")[2].partition("?")[0].partition("/")
    # A database in memory would be another one for every process, and gone with it.
    if host or unquote(file) in {"", ":memory:"}:
        raise ValueError("names no file: sqlite:///relative/path or sqlite:////absolute/path is right")
    if "?" in url:
        raise ValueError("should end with the file's path, without parameters (a ? in the path is %3F)")


def _check_server(url: str, parts: SplitResult) -> None:
    """PostgreSQL: one server, several of them, or none named before the ?."""
    scheme = url.partition("://")[0]
    _check_form(parts)
    for host in filter(None, (parts.hostname or "").split(",")):
        _check_host_name(scheme, host)
    _check_name(parts, "database")
    check_parameters(parts.query, POSTGRESQL)
    _check_as_sqlalchemy(url, parts)


def _check_as_sqlalchemy(url: str, parts: SplitResult) -> None:
    # Who names a database will import SQLAlchemy anyway.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or list(_read(parts)) != [
        parsed.username or "",
        parsed.password or "",
        (parsed.host or "").lower(),
    ]:
        raise ValueError(f"is not a URL that every library reads alike; {ESCAPES}")


def _read(parts: SplitResult) -> Iterator[str]:
    yield unquote(parts.username or "")
    yield unquote(parts.password or "")
    yield parts.hostname or ""


def _check_driver(url: str, database: str) -> None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import NoSuchModuleError

    try:
        dialect = make_url(url).get_dialect()
        dialect.import_dbapi()
    except NoSuchModuleError:
        raise ValueError(
            f"names a driver that SQLAlchemy does not know; {database}:// has the usual one"
        ) from None
    except ModuleNotFoundError as error:
        raise ValueError(
            f"needs the library {error.name}, which is not installed; "
            f"{database}+driver:// names another that SQLAlchemy knows"
        ) from None
    if dialect.is_async:
        raise ValueError(f"names an asynchronous driver; {database}:// has the usual one")
