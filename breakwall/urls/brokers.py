"""The broker's URL."""

from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

from breakwall.texts import visible
from breakwall.urls.parameters import BROKERS, check_parameters
from breakwall.urls.redis import check_redis_address, check_redis_database
from breakwall.urls.sentinel import is_sentinel, parse_sentinel_url
from breakwall.urls.syntax import check_host, check_name, check_user_has_password, split

SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps")


def check_broker_url(url: str) -> None:
    """The broker, as kombu reads it. Several URLs with a ; between them are sentinels, or nodes of one RabbitMQ."""
    if is_sentinel(url):
        parse_sentinel_url(url)
        return
    nodes = url.split(";")
    for one in nodes:
        _check_node(one)
    if len(nodes) > 1:
        _check_nodes(nodes)


def _check_node(url: str) -> None:
    scheme, parts = split(url, *SCHEMES)
    if scheme.startswith("redis"):
        check_redis_address(scheme, parts)
    else:
        check_host(scheme, parts)
        check_user_has_password(scheme, parts)
        check_name(parts, "virtual host")
    check_parameters(parts.query, BROKERS.get(scheme, {}))
    if scheme.startswith("redis"):
        check_redis_database(scheme, parts)


def _check_nodes(nodes: list[str]) -> None:
    parts = [urlsplit(node) for node in nodes]
    if not all(part.scheme.startswith("amqp") for part in parts):
        raise ValueError(
            "names several servers, and each Redis has its own queue: the workers of one do not see the messages on "
            "another. Name one, or a Redis with replicas behind Sentinel: "
            "sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME"
        )
    alike = {(part.scheme, part.username, part.password, part.path or "/", part.query) for part in parts}
    if len(alike) > 1:
        raise ValueError(
            "names several nodes of one RabbitMQ: scheme, user, password and virtual host should be the same in each"
        )


def broker_address(url: str) -> str:
    """Which broker a checked URL names, without users, passwords and options.

    ``broker_address("redis://:pw@h") == "redis://h:6379/0"``. A host can have several names, and so a broker several
    addresses. It is visible: a virtual host may hold any character, and this is stored and shown.
    """
    return visible(_address(url))


def _address(url: str) -> str:
    if is_sentinel(url):
        named = parse_sentinel_url(url)
        return f"sentinel://{_hosts(named.nodes)}/{named.master_name}/{named.database}"
    nodes = [urlsplit(node) for node in url.split(";")]
    scheme, path = nodes[0].scheme, unquote(nodes[0].path)
    if scheme == "redis+socket":
        return f"{scheme}://{path}/{parse_qs(nodes[0].query).get('virtual_host', ['0'])[0]}"
    kind = "amqp" if scheme.startswith("amqp") else "redis"
    hosts = _hosts([(node.hostname or "", node.port or _PORTS[node.scheme]) for node in nodes])
    return f"{kind}://{hosts}/{path[1:] or _FIRST[kind]}"


_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
_FIRST = {"amqp": "/", "redis": "0"}  # The virtual host, and the database, of a URL without one.


def _hosts(nodes: Iterable[tuple[str, int]]) -> str:
    return ",".join(sorted(f"{'localhost' if host in _LOOPBACK else host}:{port}" for host, port in nodes))


_LOOPBACK = {"127.0.0.1", "::1"}
