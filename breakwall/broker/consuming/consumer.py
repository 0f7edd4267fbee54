"""Celery's consumer, made to outlive its broker, whatever that or another program sends."""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from celery import bootsteps
from celery.utils.threads import bound_open_broker_sockets
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from breakwall.broker.config import QUEUE
from breakwall.broker.consuming.channels import guard
from breakwall.broker.consuming.outage_log import FIRST_PAUSE, LONGER_BY, LONGEST_PAUSE, OutageLog
from breakwall.broker.messages.order_message import OrderMessage, read_message
from breakwall.broker.messages.strange import StrangeError, StrangeMessage

CLOSE_TIMEOUT = 5.0  # Seconds for closing a dead connection's socket.

# Seconds of connection without an error after which an outage is over, where no message comes sooner.
STABLE_AFTER = 5.0

# For RabbitMQ. A worker sends events about itself alone. With an alarm raised the server reads none of them: if
# the worker waited for a confirmation, it would stand still with all that it has in hand.
UNCONFIRMED = {"confirm_publish": False, "write_timeout": 5.0}

MAX_EVENTS = 1000  # Events for monitors such as Flower that are kept while the broker takes none; the newest.

LEFT_OUT = (":DelayedDelivery", ":Control")  # Celery's steps, by the end of their names.

CLEANUP_ERROR = "Error cleaning up after"


def _is_no_cleanup_error(record: logging.LogRecord) -> bool:
    # Celery logs a traceback where a lost connection cannot be closed. `OutageLog` has told that in a line.
    return not str(record.msg).startswith(CLEANUP_ERROR)


logging.getLogger("celery.worker.loops").addFilter(_is_no_cleanup_error)


class BrokerLostError(ConnectionError):
    """Whatever ended a connection, as the one error from which Celery always starts again."""


class RetryConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """What ``worker_consumer`` names in `breakwall.broker.celery_config`.

    Left out: looking for other workers, which takes a second at every connect ("mingle"), and listening to all
    their events ("gossip"), since workers share nothing but the queue; and the 28 queues that Celery declares for
    countdowns beside a quorum queue, since delays are in the database. Of remote control, the commands that only
    show something stay (`remote_control`).

    The app may have an ``on_strange_message``, which is given every `StrangeMessage`; it may neither raise
    nor take long.
    """

    connection: Any

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # Celery has no types
        default_steps: ClassVar[list[str]] = [
            *(step for step in Consumer.Blueprint.default_steps if not step.endswith(LEFT_OUT)),
            "breakwall.broker.consuming.remote_control:RemoteControlStep",
        ]

        def start(self, parent: Any) -> None:
            """Celery's own. Celery starts again after a connection error alone, so every error becomes one.

            Redis *answers* that it is a replica now, is full or forbids something; RabbitMQ closes a channel.
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
    def idle_slots(self) -> int:
        """How many more messages may come before one is finished."""
        return int(self.initial_prefetch_count) - len(state.reserved_requests)

    @property
    def consumes(self) -> bool:
        """Whether it is connected and wants messages."""
        consumer: Any = self.task_consumer
        return consumer is not None and consumer.consuming_from(QUEUE)

    def give_up(self, reason: str) -> None:
        """Have the worker connect anew; from any thread."""
        self._given_up = reason
        self.hub.call_soon(self._check_given_up)

    def _check_given_up(self) -> None:
        reason, self._given_up = self._given_up, None
        if reason is not None:
            raise BrokerLostError(reason)

    # Connecting

    def ensure_connected(self, conn: Any) -> Any:
        """Celery's own, with our pauses, and with one line an outage instead of one a try."""
        guard(conn, self)  # before its transport is made, which the next line does
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
        """Celery's own. Called whenever messages are about to be taken."""
        super().on_ready()
        bound_kept_events(self.event_dispatcher)
        self.last_message_at = time.monotonic()
        self.timer.call_after(STABLE_AFTER, self._outages.over)

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """Celery's own, with a pause and without its lines."""
        self._wait(self._outages.failed(exc))

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Celery's own, with a close that cannot end the worker, and with a pause.

        Celery lets kombu give up the connection, then closes it. With messages in hand and Redis gone, kombu fails
        half-way, and the close asks for an address that is already forgotten. The dispatcher publishes the
        messages again.
        """
        connection, self.connection = self.connection, None
        self.task_consumer = None
        bound_open_broker_sockets(connection, CLOSE_TIMEOUT)
        for let_go in (connection.collect, connection.close):
            with suppress(Exception):
                let_go()
        if self.hub:
            # kombu's callbacks of this connection would go on to take messages if it was not quite closed.
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
        """Celery's own, for messages of ours alone, as `read_message` returns them."""
        work_on = super().create_task_handler(*args, **options)

        def on_message(message: Any) -> None:
            self.last_message_at = time.monotonic()
            self._outages.over()
            try:
                found = read_message(message.headers, message.body)
            except StrangeError as error:
                self._take_out(message, str(error))
            else:
                work_on(_rewritten(message, found))

        return on_message

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Celery's own, with the message kept. For `celery control`'s messages, too."""
        self._take_out(message, f"its body cannot be decoded ({type(exc).__name__})")

    def set_aside(self, message: StrangeMessage) -> None:
        """Have a message that is none of ours kept for an operator's eyes."""
        on_strange_message = getattr(self.app, "on_strange_message", None)
        if on_strange_message is not None:
            on_strange_message(message)

    def refused(self, error: BaseException) -> None:
        """Record a refusal of the broker that stops nothing."""
        self._outages.refused(error)

    def _take_out(self, message: Any, reason: str) -> None:
        self.set_aside(StrangeMessage(reason, _parts(message), message.body))
        # A reject would have RabbitMQ keep it a second time, among the messages that killed workers.
        message.ack()


def bound_kept_events(dispatcher: Any) -> None:
    """Keep `MAX_EVENTS` for monitors: Celery keeps all of them for as long as the broker takes none."""
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
    # Celery's own logs a traceback. A lost connection is logged where it is read from; the message comes again,
    # and finds nothing to claim.
    with suppress(Exception):
        acknowledge()


def _parts(message: Any) -> dict[str, Any]:
    return {
        "headers": message.headers,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "properties": {k: v for k, v in message.properties.items() if k != "application_headers"},
    }
