"""How Celery is configured for the broker in use: Redis, the embedded Valkey, or RabbitMQ."""

from typing import Any
from urllib.parse import quote

from breakwall.settings import Settings
from breakwall.urls.sentinel import is_sentinel, parse_sentinel_url, sentinel_options

QUEUE = "payments.retry"
TASK = "breakwall.retry_payment"

# Where RabbitMQ puts a message that was delivered many times and never acknowledged.
#
# For counting, and for a look at what kills workers. The order is in the database and is published again.
DEAD_LETTERS = "payments.retry.dead"

CONCURRENCY = 20  # Threads of a worker: they wait for the payment service nearly all of the time.

# Seconds that a worker waits for Redis. Publishing has tighter bounds of its own (`connections`).
SOCKET_TIMEOUT = 5.0

SHORTEST_VISIBILITY = 300


def celery_config(settings: Settings) -> dict[str, Any]:
    """The Celery settings for ``settings.broker``, for ``app.conf.update``.

    Delays are never Celery's: due times are in the database, and a message is done with in moments.
    docs/adr/0003-embedded-valkey.md explains more of the values.
    """
    chosen = _amqp() if is_amqp(settings) else _redis(settings)
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
        # A prefetched message cannot be taken back by a pause, and other workers do not see it.
        "worker_prefetch_multiplier": 1,
        "worker_disable_rate_limits": True,
        **chosen,
        **_tls(settings),
    }


def is_amqp(settings: Settings) -> bool:
    """Whether the broker is RabbitMQ; otherwise it is Redis or Valkey."""
    return settings.broker.startswith("amqp")


def visibility_timeout(settings: Settings) -> int:
    """Seconds after which Redis hands a message that was not acknowledged to another worker.

    The clock starts at delivery. A message may wait in the worker behind one that takes a look-up and a
    charge, and then takes as long itself: four calls, and a minute for the database and for pauses.
    """
    return max(SHORTEST_VISIBILITY, int(4 * settings.payment_timeout + 60))


def _url(settings: Settings) -> str:
    """As kombu takes it. Each sentinel is a whole URL: kombu goes from one to the next and forgets the last."""
    if not is_sentinel(settings.broker):
        return settings.broker
    address = parse_sentinel_url(settings.broker)
    user, password = (quote(address.master.get(name, ""), safe="") for name in ("username", "password"))
    credentials = f"{user}:{password}@" if user or password else ""
    hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.nodes)
    return ";".join(f"sentinel://{credentials}{host}/{address.database}" for host in hosts)


def sentinel_transport_options(settings: Settings, timeout: float) -> dict[str, Any]:
    """What kombu takes beside the URL; ``timeout``: seconds for each wait for Redis, and for all sentinels."""
    address = parse_sentinel_url(settings.broker)
    return {"master_name": address.master_name, "sentinel_kwargs": sentinel_options(address, timeout)}


def _redis(settings: Settings) -> dict[str, Any]:
    sentinel = sentinel_transport_options(settings, SOCKET_TIMEOUT) if is_sentinel(settings.broker) else {}
    return {
        "broker_transport_options": {
            **sentinel,
            "visibility_timeout": visibility_timeout(settings),
            # With Celery's defaults (10 and 10) a dead worker's messages are looked for every 100 seconds.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": SOCKET_TIMEOUT,
            "socket_connect_timeout": SOCKET_TIMEOUT,
            "socket_keepalive": True,
            # Each thread takes a connection while it acknowledges: with kombu's 10, threads would fail.
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
    """Check the broker's certificate and its name, against the system's authorities.

    Left to themselves, Celery takes any certificate for ``rediss://``, and any valid one for ``amqps://``.
    """
    scheme = settings.broker.partition("://")[0]
    if scheme == "rediss":
        return {"broker_use_ssl": {"ssl_cert_reqs": "required", "ssl_check_hostname": True}}
    if scheme == "amqps":
        return {"broker_use_ssl": {"server_hostname": None}}  # kombu fills in the host's name, and checks it
    return {}
