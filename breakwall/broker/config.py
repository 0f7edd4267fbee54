"""How Celery is configured for the broker in use: Redis, the embedded Valkey, or RabbitMQ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from breakwall.settings import Settings

if TYPE_CHECKING:
    from breakwall.broker.queues import QuorumQueue
    from breakwall.urls.sentinel import SentinelAddress

QUEUE = "payments.retry"
TASK = "breakwall.retry_payment"

DEAD_LETTERS = "payments.retry.dead"
"""Where RabbitMQ puts a message that was delivered `DELIVERY_LIMIT` times and never acknowledged.

For counting, and for a look at what kills workers. The order is in the database and is published again."""

DELIVERY_LIMIT = 20
"""RabbitMQ 4 has this limit by default; stated, so that it is the same on every version."""

CONCURRENCY = 20
"""Threads of a worker: they wait for the payment service nearly all of the time."""

SOCKET_TIMEOUT = 5.0
"""Seconds a worker waits for Redis. Publishing has tighter bounds of its own (`publishing.connection`)."""

SHORTEST_VISIBILITY = 300


def celery_config(settings: Settings) -> dict[str, Any]:
    """The Celery settings for ``settings.broker``, for ``app.conf.update``.

    Delays are never Celery's: due times are in the database, and a message is done with in moments.
    The values are explained in docs/adr/0003-embedded-valkey.md and in the comments here.
    """
    chosen = _amqp(settings) if is_amqp(settings) else _redis(settings)
    return {
        "broker_url": _url(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker outlives any outage of its broker
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
        # What is prefetched cannot be taken back by a pause, and is not seen by other workers.
        "worker_prefetch_multiplier": 1,
        "worker_disable_rate_limits": True,
        "task_publish_retry": True,
        "task_publish_retry_policy": {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.1,
        },
        **chosen,
        **_tls(settings),
    }


def is_amqp(settings: Settings) -> bool:
    """Whether the broker is RabbitMQ; otherwise it is Redis or Valkey."""
    return settings.broker.startswith("amqp")


def visibility_timeout(settings: Settings) -> int:
    """Seconds after which Redis hands a message that nobody acknowledged to another worker.

    The clock starts at delivery. A message may wait in the worker behind one that takes a look-up and a
    charge, and then takes as long itself: four calls, and a minute for the database and for pauses.
    """
    return max(SHORTEST_VISIBILITY, int(4 * settings.payment_timeout + 60))


def is_behind_sentinel(settings: Settings) -> bool:
    """Whether sentinels are asked where Redis is."""
    return settings.broker.startswith("sentinel:")


def _url(settings: Settings) -> str:
    """As kombu takes it. Of sentinels each is a whole URL: it goes from one to the next and forgets the last."""
    if not is_behind_sentinel(settings):
        return settings.broker
    address = _sentinel_address(settings)
    user, password = (quote(address.master.get(name, ""), safe="") for name in ("username", "password"))
    credentials = f"{user}:{password}@" if user or password else ""
    hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.nodes)
    return ";".join(f"sentinel://{credentials}{host}/{address.database}" for host in hosts)


def sentinel_transport_options(settings: Settings, timeout: float) -> dict[str, Any]:
    """What kombu takes beside the URL; ``timeout``: seconds for each wait for Redis, and for all sentinels."""
    from breakwall.urls.sentinel import sentinel_options

    address = _sentinel_address(settings)
    return {"master_name": address.master_name, "sentinel_kwargs": sentinel_options(address, timeout)}


def _sentinel_address(settings: Settings) -> SentinelAddress:
    from breakwall.urls.sentinel import parse_sentinel_url

    return parse_sentinel_url(settings.broker)


def _redis(settings: Settings) -> dict[str, Any]:
    behind = sentinel_transport_options(settings, SOCKET_TIMEOUT) if is_behind_sentinel(settings) else {}
    return {
        "broker_transport_options": {
            **behind,
            "visibility_timeout": visibility_timeout(settings),
            # With Celery's defaults (10 and 10) a dead worker's messages are looked for every 100 seconds.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": SOCKET_TIMEOUT,
            "socket_connect_timeout": SOCKET_TIMEOUT,
            "socket_keepalive": True,
            # Each thread takes a connection while it acknowledges; kombu's 10 would make threads fail.
            "max_connections": 1000,
        },
    }


def _amqp(settings: Settings) -> dict[str, Any]:
    return {
        "task_queues": [retry_queue()],
        "broker_heartbeat": 30,
        "broker_transport_options": {"confirm_publish": True},
    }


def _tls(settings: Settings) -> dict[str, Any]:
    """Check the broker's certificate and its name, against the system's authorities.

    Left to themselves, Celery takes any certificate for ``rediss://``, and any valid one for ``amqps://``.
    """
    scheme = settings.broker.partition("://")[0]
    if scheme == "rediss":
        return {"broker_use_ssl": {"ssl_cert_reqs": "required", "ssl_check_hostname": True}}
    if scheme == "amqps":
        return {"broker_use_ssl": {"server_hostname": None}}  # kombu fills in the host's name, and checks it
    return {}


def retry_queue() -> QuorumQueue:
    """RabbitMQ's `QUEUE`, the same for whoever declares it; declares `DEAD_LETTERS` with it."""
    from breakwall.broker.queues import QuorumQueue

    return QuorumQueue.named(QUEUE, dead_letters=DEAD_LETTERS, delivery_limit=DELIVERY_LIMIT)
