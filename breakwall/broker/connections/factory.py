"""Makes the connection for the settings' broker."""

from typing import Any

from breakwall.broker.config import is_amqp, sentinel_transport_options
from breakwall.broker.connections.base import STEP_TIMEOUT, BrokerConnection
from breakwall.broker.connections.rabbitmq import RabbitMQConnection
from breakwall.broker.connections.redis import RedisConnection
from breakwall.settings import Settings
from breakwall.urls.sentinel import is_sentinel


def client_app(settings: Settings) -> Any:
    """A Celery app for sending. It does not become the process's current app."""
    from breakwall.broker.celery_app import IsolatedCelery

    return IsolatedCelery(settings, current=False)


def new_connection(settings: Settings, app: Any) -> BrokerConnection:
    """The connection, not opened yet."""
    if is_amqp(settings):
        return RabbitMQConnection(app)
    if is_sentinel(settings.broker):
        return RedisConnection(app, **sentinel_transport_options(settings, STEP_TIMEOUT))
    return RedisConnection(app)
