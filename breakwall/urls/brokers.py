"""The broker's URL."""

from urllib.parse import urlsplit

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
