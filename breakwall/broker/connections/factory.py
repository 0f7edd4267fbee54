"""Makes the connection that fits the settings."""

from typing import Any

from breakwall.broker.config import is_amqp, sentinel_transport_options
from breakwall.broker.connections.base import STEP_TIMEOUT, BrokerConnection
from breakwall.broker.connections.rabbitmq import RabbitMQConnection
from breakwall.broker.connections.redis import RedisConnection
from breakwall.settings import Settings
from breakwall.urls.sentinel import is_sentinel


def client_app(settings: Settings) -> Any:
    """A Celery app that only sends: it does not become the process's current app."""
    from breakwall.broker.celery_app import IsolatedCelery

    return IsolatedCelery(settings, current=False)


def new_connection(settings: Settings, app: Any) -> BrokerConnection:
    """A connection to the settings' broker, not opened yet."""
    if is_amqp(settings):
        return RabbitMQConnection(app)
    if is_sentinel(settings.broker):
        return RedisConnection(app, **sentinel_transport_options(settings, STEP_TIMEOUT))
    return RedisConnection(app)
