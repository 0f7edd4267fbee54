"""Publishes to a Celery task of the shop's own. A message counts as sent when the broker has it in the shop's queue."""

import threading
from typing import Any

from pydantic import SecretStr

from breakwall.broker.config import is_amqp, sentinel_transport_options
from breakwall.broker.connections.base import BrokerConnection
from breakwall.broker.connections.factory import client_app
from breakwall.broker.connections.rabbitmq import RabbitMQConnection
from breakwall.broker.connections.redis import RedisConnection
from breakwall.settings import Settings
from breakwall.urls.sentinel import is_sentinel

STEP_TIMEOUT = 4.0  # Seconds for each wait. Nobody waits for this, so it is longer than that of a publish.

# What kombu keeps for a queue that a Celery worker has declared, if its exchange has its name, as it has by default.
_BINDING = "_kombu.binding.{}"


class TaskSender:
    """Sends calls of one task to one queue. Each thread has a connection of its own. Loads Celery at the first use.

    It declares nothing: the queue is the shop's.
    """

    def __init__(self, settings: Settings, broker_url: str, task: str, queue: str) -> None:
        self._settings = settings.model_copy(update={"broker_url": SecretStr(broker_url)})
        self._task, self._queue = task, queue
        self._lock = threading.Lock()
        self._app: Any = None
        self._own = threading.local()
        self._connections: list[_ShopConnection] = []

    def send(self, task_id: str, argument: dict[str, Any]) -> str | None:
        """Publish one call. Returns why no queue has it, or None. Raises the errors of kombu, redis and amqp."""
        return None if self._connection().send_task(task_id, argument) else self._not_routed()

    def check(self) -> str | None:
        """Whether the queue is there: why not, or None. Publishes nothing. Raises as `send`."""
        return None if self._connection().has_queue() else self._not_routed()

    def close(self) -> None:
        """Drop the connections. Safe to call twice."""
        for connection in self._connections:
            connection.close()

    def _connection(self) -> "_ShopConnection":
        if (connection := getattr(self._own, "connection", None)) is None:
            with self._lock:
                self._app = self._app or client_app(self._settings)
            connection = self._own.connection = self._new_connection()
            self._connections.append(connection)
        return connection

    def _new_connection(self) -> "_ShopConnection":
        if is_amqp(self._settings):
            return _RabbitMQ(self._app, self._task, self._queue)
        options = (
            sentinel_transport_options(self._settings, STEP_TIMEOUT)
            if is_sentinel(self._settings.broker)
            else {}
        )
        return _Redis(self._app, self._task, self._queue, **options)

    def _not_routed(self) -> str:
        return (
            f"no queue {self._queue} is there: start the shop's Celery worker once, which makes it, or correct "
            "BREAKWALL_OUTCOMES__TASK_QUEUE"
        )


class _ShopConnection(BrokerConnection):
    step_timeout = STEP_TIMEOUT
    _task: str
    _queue: str

    def send_task(self, task_id: str, argument: dict[str, Any]) -> bool:
        """Whether the queue has it."""
        raise NotImplementedError

    def has_queue(self) -> bool:
        raise NotImplementedError

    def _publish(self, task_id: str, argument: dict[str, Any], **options: Any) -> None:
        message = self._app.amqp.create_task_message(
            task_id,
            self._task,
            args=(argument,),
            # In place of a text of all arguments, which the shop's worker would log.
            argsrepr=f"({argument['type']!r},)",
            kwargsrepr="{}",
            origin="breakwall",
        )
        self._producer.publish(
            message.body,
            exchange="",
            routing_key=self._queue,
            serializer="json",
            delivery_mode=2,
            headers=message.headers,
            **message.properties,
            **options,
        )


class _RabbitMQ(_ShopConnection, RabbitMQConnection):
    """RabbitMQ returns a message that reaches no queue, and then confirms it."""

    def __init__(self, app: Any, task: str, queue: str) -> None:
        super().__init__(app)
        self._task, self._queue, self._returned = task, queue, False

    def send_task(self, task_id: str, argument: dict[str, Any]) -> bool:
        def publish() -> bool:
            self._ask_for_confirmations()
            self._returned = False
            self._expect_confirmation()
            self._publish(task_id, argument, mandatory=True)
            self._await_confirmations()
            return not self._returned

        return self.run(publish)

    def has_queue(self) -> bool:
        def declare() -> bool:
            try:
                self.channel.queue_declare(self._queue, passive=True)
            except self.channel_errors as error:
                self.forget_channel()
                if str(getattr(error, "reply_code", "")) != "404":
                    raise
                return False
            return True

        return self.run(declare)

    def _on_return(self, *_: Any) -> None:
        self._returned = True


class _Redis(_ShopConnection, RedisConnection):
    """Redis takes a message for any name, so the queue must have been declared, or hold messages already."""

    def __init__(self, app: Any, task: str, queue: str, **options: Any) -> None:
        super().__init__(app, **options)
        self._task, self._queue = task, queue

    def send_task(self, task_id: str, argument: dict[str, Any]) -> bool:
        def publish() -> bool:
            if found := self._is_there():
                self._publish(task_id, argument)
            return found

        return self.run(publish)

    def has_queue(self) -> bool:
        return self.run(self._is_there)

    def _is_there(self) -> bool:
        with self.channel.conn_or_acquire() as client:
            return bool(client.exists(_BINDING.format(self._queue), self._queue))
