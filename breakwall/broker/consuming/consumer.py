"""Celery's consumer, changed to survive broker outages and every message that comes."""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from celery import bootsteps
from celery.utils.threads import bound_open_broker_sockets
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from breakwall.broker.config import QUEUE
from breakwall.broker.consuming.channels import guard
from breakwall.broker.consuming.fetching import has_room
from breakwall.broker.consuming.outage_log import FIRST_PAUSE, LONGER_BY, LONGEST_PAUSE, OutageLog
from breakwall.broker.messages.order_message import OrderMessage, read_message
from breakwall.broker.messages.strange import StrangeError, StrangeMessage, parts_of

CLOSE_TIMEOUT = 5.0  # Seconds for closing a dead connection's socket.

# Seconds of connection without an error after which an outage is over; a message ends it sooner.
STABLE_AFTER = 5.0

# For RabbitMQ. A worker publishes only events about itself. With an alarm raised, the server reads none of them, and a
# worker that waited for a confirmation would stop with all its messages.
UNCONFIRMED = {"confirm_publish": False, "write_timeout": 5.0}

MAX_EVENTS = 1000  # The newest events for monitors such as Flower, kept while the broker takes none.
LEFT_OUT = (":DelayedDelivery", ":Control")  # Celery's steps that do not run, by the end of their names.
CLEANUP_ERROR = "Error cleaning up after"


def _is_no_cleanup_error(record: logging.LogRecord) -> bool:
    # Celery logs a traceback if it cannot close a lost connection. `OutageLog` has logged the loss already.
    return not str(record.msg).startswith(CLEANUP_ERROR)


logging.getLogger("celery.worker.loops").addFilter(_is_no_cleanup_error)


class BrokerLostError(ConnectionError):
    """The end of a connection, for any reason: the one error after which Celery always starts again."""


class RetryConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """The consumer that ``worker_consumer`` names in `breakwall.broker.config`.

    It disables three features: "mingle" (costs 1 s at each connect), "gossip" (workers share only the queue) and the
    28 countdown queues beside a quorum queue (delays are in the database). Remote control is limited, see
    `remote_control`.

    The app may have an ``on_strange_message``, which gets every `StrangeMessage`. It may not raise, and must return
    soon.
    """

    connection: Any
    fetching: Any

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # Celery has no types
        default_steps: ClassVar[list[str]] = [
            *(step for step in Consumer.Blueprint.default_steps if not step.endswith(LEFT_OUT)),
            "breakwall.broker.consuming.remote_control:RemoteControlStep",
            "breakwall.broker.consuming.fetching:FetchingStep",
        ]

        def start(self, parent: Any) -> None:
            """Celery's own, with every error as a connection error, because Celery starts again only after those.

            Other errors come too: Redis answers that it is a replica, full or forbidden; RabbitMQ closes a channel.
            """
            try:
                super().start(parent)
            except Exception as error:
                raise BrokerLostError from error

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "without_mingle": True, "without_gossip": True})
        self._outages = OutageLog(secret=self.conninfo.password or None)
        self._given_up: str | None = None
        self.last_message_at = time.monotonic()

    @property
    def intake(self) -> Any:
        """The app's `Intake`."""
        return self.app.breakwall.intake

    @property
    def expects_messages(self) -> bool:
        """Whether it is connected, consumes the queue, takes another message, and the broker may send one."""
        consumer: Any = self.task_consumer
        if consumer is None or not consumer.consuming_from(QUEUE):
            return False
        return has_room(self.intake) and not self.fetching.is_used_up

    def reconsider(self) -> None:
        """In the event loop, whose next step is to look at the intake: it has changed."""
        self.last_message_at = time.monotonic()

    def give_up(self, reason: str) -> None:
        """Have the worker connect again. Thread-safe."""
        self._given_up = reason
        self.hub.call_soon(self._check_given_up)

    def _check_given_up(self) -> None:
        reason, self._given_up = self._given_up, None
        if reason is not None:
            raise BrokerLostError(reason)

    # Connecting

    def ensure_connected(self, conn: Any) -> Any:
        """Celery's own, with our pauses, and with one log line for each outage instead of one for each try."""
        guard(conn, self)  # before the next line, which makes the transport
        if conn.transport.driver_type == "amqp":
            conn.transport_options = {**(conn.transport_options or {}), **UNCONFIRMED}
        conn = conn.ensure_connection(
            lambda error, _: self._outages.failed(error),
            None,
            interval_start=FIRST_PAUSE,
            interval_step=LONGER_BY,
            interval_max=LONGEST_PAUSE,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        return conn

    def on_ready(self) -> None:
        """Celery's own. Called after each connect, before messages are consumed."""
        super().on_ready()
        bound_kept_events(self.event_dispatcher)
        self.last_message_at = time.monotonic()
        self.timer.call_after(STABLE_AFTER, self._outages.over)

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """Celery's own, with a pause and without its log lines."""
        self._wait(self._outages.failed(exc))

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Celery's own, with a pause, and with a close that cannot end the worker.

        Celery has kombu collect the connection, then closes it. If Redis is gone while messages are unacknowledged,
        kombu fails half-way, and the close needs an address that is already deleted. The dispatcher republishes the
        messages.
        """
        connection, self.connection = self.connection, None
        self.task_consumer = None
        bound_open_broker_sockets(connection, CLOSE_TIMEOUT)
        for release in (connection.collect, connection.close):
            with suppress(Exception):
                release()
        if self.hub:
            # If the close failed half-way, kombu's callbacks of this connection would continue to take messages.
            self.hub.on_tick.clear()
        self._given_up = None
        self._wait(self._outages.failed(exc))

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.blueprint.state == bootsteps.RUN and time.monotonic() < end:
            maybe_shutdown()
            time.sleep(min(0.1, seconds))

    # Messages

    def create_task_handler(self, *args: Any, **options: Any) -> Any:
        """Celery's own, but only for Breakwall's messages, as `read_message` returns them."""
        process = super().create_task_handler(*args, **options)

        def on_message(message: Any) -> None:
            self.last_message_at = time.monotonic()
            self._outages.over()
            try:
                found = read_message(message.headers, message.body)
            except StrangeError as error:
                self._take_out(message, str(error))
            else:
                self.fetching.received(message, found.orders)
                process(_rewritten(message, found))

        return on_message

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Celery's own, but the message is kept. Also for messages of `celery control`."""
        self._take_out(message, f"its body cannot be decoded ({type(exc).__name__})")

    def set_aside(self, message: StrangeMessage) -> None:
        """Keep a strange message for an operator."""
        on_strange_message = getattr(self.app, "on_strange_message", None)
        if on_strange_message is not None:
            on_strange_message(message)

    def refused(self, error: BaseException) -> None:
        """Log a refusal of the broker that stops nothing."""
        self._outages.refused(error)

    def _take_out(self, message: Any, reason: str) -> None:
        self.set_aside(StrangeMessage(reason, parts_of(message), message.body))
        # If it was rejected, RabbitMQ would keep it too, among the messages that killed workers.
        message.ack()


def bound_kept_events(dispatcher: Any) -> None:
    """Keep at most `MAX_EVENTS` for monitors. Celery keeps all of them while the broker takes none."""
    if dispatcher is not None:
        dispatcher._outbound_buffer = deque(dispatcher._outbound_buffer, MAX_EVENTS)  # noqa: SLF001


def _rewritten(message: Any, found: OrderMessage) -> Any:
    message.headers, message.body = found.headers, found.body
    message.content_type, message.content_encoding = "application/json", "utf-8"
    message.properties = {"correlation_id": found.id}
    message.ack_log_error = partial(_quietly, message.ack)
    message.reject_log_error = partial(_quietly, message.reject)
    return message


def _quietly(acknowledge: Callable[[], None], *_: Any, **__: Any) -> None:
    # Celery's own logs a traceback. The read from a lost connection is logged already. The message comes again and
    # finds nothing to claim.
    with suppress(Exception):
        acknowledge()
