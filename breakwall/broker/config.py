"""Celery's configuration for Redis, the embedded Valkey and RabbitMQ."""

from typing import Any
from urllib.parse import quote

from breakwall.gateway_names import CONFIGURED
from breakwall.settings import Settings
from breakwall.urls.sentinel import is_sentinel, parse_sentinel_url, sentinel_options

QUEUE = CONFIGURED.queue
TASK = "breakwall.retry_payment"

# RabbitMQ moves a message here that was delivered many times and never acknowledged. An operator sees what kills
# workers; the order is in the database and is republished.
DEAD_LETTERS = CONFIGURED.dead_letters

CONCURRENCY = 20  # Threads of a worker, which mostly wait for the payment service.

SOCKET_TIMEOUT = 5.0  # Seconds that a worker waits for Redis. `connections` has shorter timeouts.

SHORTEST_VISIBILITY = 300  # Seconds.

# Redis keys for unacknowledged messages. Under kombu's own names all programs in a database share them: after our
# visibility timeout a worker would put back the messages of a shop's long tasks, and they would run twice.
UNACKED = f"{QUEUE}.unacked"
UNACKED_INDEX = f"{QUEUE}.unacked_index"
UNACKED_MUTEX = f"{QUEUE}.unacked_mutex"


def celery_config(settings: Settings) -> dict[str, Any]:
    """The Celery settings for ``settings.broker``, for ``app.conf.update``.

    Celery delays nothing: due times are in the database. docs/adr/0003-embedded-valkey.md explains more values.
    """
    return {
        "broker_url": _url(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker survives any outage of its broker
        "task_default_queue": QUEUE,
        "task_acks_late": True,
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "worker_consumer": "breakwall.broker.consuming.consumer:RetryConsumer",
        "worker_pool": "threads",
        "worker_concurrency": CONCURRENCY,
        # `consuming.fetching` decides instead.
        "worker_prefetch_multiplier": 1,
        "worker_disable_rate_limits": True,
        **(_amqp() if is_amqp(settings) else _redis(settings)),
        **_tls(settings),
    }


def is_amqp(settings: Settings) -> bool:
    """Whether the broker is RabbitMQ; otherwise it is Redis or Valkey."""
    return settings.broker.startswith("amqp")


def visibility_timeout(settings: Settings) -> int:
    """Seconds after delivery until Redis gives an unacknowledged message to another worker.

    A message may wait in the worker for the message before it. Each needs a look-up and a charge: four calls in all,
    and one minute more for the database and for pauses.
    """
    return max(SHORTEST_VISIBILITY, int(4 * settings.payment_timeout + 60))


def _url(settings: Settings) -> str:
    """In kombu's form. Each sentinel is a whole URL, because kombu keeps nothing when it goes to the next one."""
    if not is_sentinel(settings.broker):
        return settings.broker
    address = parse_sentinel_url(settings.broker)
    user, password = (quote(address.master.get(name, ""), safe="") for name in ("username", "password"))
    credentials = f"{user}:{password}@" if user or password else ""
    hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.nodes)
    return ";".join(f"sentinel://{credentials}{host}/{address.database}" for host in hosts)


def sentinel_transport_options(settings: Settings, timeout: float) -> dict[str, Any]:
    """kombu's options beside the URL; ``timeout``: seconds for each wait for Redis, and for all sentinels together."""
    address = parse_sentinel_url(settings.broker)
    return {"master_name": address.master_name, "sentinel_kwargs": sentinel_options(address, timeout)}


def _redis(settings: Settings) -> dict[str, Any]:
    sentinel = sentinel_transport_options(settings, SOCKET_TIMEOUT) if is_sentinel(settings.broker) else {}
    return {
        "broker_transport_options": {
            **sentinel,
            "visibility_timeout": visibility_timeout(settings),
            "unacked_key": UNACKED,
            "unacked_index_key": UNACKED_INDEX,
            "unacked_mutex_key": UNACKED_MUTEX,
            # With Celery's defaults (10 and 10) a dead worker's messages are restored every 100 seconds only.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": SOCKET_TIMEOUT,
            "socket_connect_timeout": SOCKET_TIMEOUT,
            "socket_keepalive": True,
            # Each thread needs a connection to acknowledge: with kombu's 10, threads would fail.
            "max_connections": 1000,
        },
    }


def _amqp() -> dict[str, Any]:
    from breakwall.broker.rabbitmq_queues import retry_queue

    return {
        "task_queues": [retry_queue()],
        "broker_heartbeat": 30,
        "broker_transport_options": {"confirm_publish": True},
    }


def _tls(settings: Settings) -> dict[str, Any]:
    """Check the broker's certificate and name against the system's authorities.

    Celery's default accepts every certificate for ``rediss://``, and every valid one for ``amqps://``.
    """
    scheme = settings.broker.partition("://")[0]
    if scheme == "rediss":
        return {"broker_use_ssl": {"ssl_cert_reqs": "required", "ssl_check_hostname": True}}
    if scheme == "amqps":
        return {"broker_use_ssl": {"server_hostname": None}}  # kombu sets the host's name and checks it
    return {}
