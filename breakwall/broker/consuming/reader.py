"""Consumes the retry queue inside another program's process, such as a shop's worker.

It has a connection and a thread of its own, so that the program's consumer keeps its queues, its prefetch count and its
acknowledgements, whatever its pool is. `RetryConsumer` is the same for our own worker, inside Celery's event loop.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from celery import Celery

from breakwall.broker.consuming.channels import guard
from breakwall.broker.consuming.fetching import (
    Demand,
    RabbitMQFetching,
    RedisFetching,
    acknowledge_all,
    has_room,
)
from breakwall.broker.consuming.outage_log import FIRST_PAUSE, LONGER_BY, LONGEST_PAUSE, OutageLog
from breakwall.broker.messages.order_message import read_message
from breakwall.broker.messages.strange import StrangeError, StrangeMessage, parts_of

log = logging.getLogger("breakwall.broker")

Submit = Callable[[Sequence[str], Callable[[], None]], object]
"""Gets the orders of a message, and what to call, from any thread, when it is done with them."""

TURN = 0.1  # Seconds: so soon a message that is done is acknowledged, and a change of the demand is noticed.
STABLE_AFTER = (
    5.0  # Seconds of connection without an error after which an outage is over; a message ends it sooner.
)
STOP_TIMEOUT = 10.0  # Seconds. A connection attempt takes less, and a goodbye to a broker that hangs.


class _StoppedError(Exception):
    """The reader was stopped while it connected."""


class Session:
    """One connection that consumes the queue. For one thread."""

    def __init__(self, connection: Any, app: Celery, demand: Demand, **callbacks: Any) -> None:
        self._connection = connection
        self._is_amqp = connection.transport.driver_type == "amqp"
        self._consumer = app.amqp.TaskConsumer(connection, **callbacks)
        kind = RabbitMQFetching if self._is_amqp else RedisFetching
        self._fetching: RabbitMQFetching | RedisFetching = kind(self._consumer, demand)
        self._consumer.consume()
        self._is_taking = True

    @property
    def may_receive(self) -> bool:
        """Whether the broker may send a message now."""
        return self._is_taking and not self._fetching.is_used_up

    def received(self, message: Any, orders: int) -> None:
        """A message with so many orders has come."""
        self._fetching.received(message, orders)

    def stop_taking(self) -> None:
        """Take no more messages; those in hand can still be acknowledged."""
        if self._is_taking:
            self._is_taking = False
            self._consumer.cancel()

    def run_once(self, changed: threading.Event) -> None:
        """Receive what has come, or wait for it, at most for `TURN` seconds."""
        if self._is_taking:
            self._fetching.adjust()
        if self._must_listen():
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=TURN)
        else:
            changed.wait(TURN)
            changed.clear()
        if self._connection.supports_heartbeats:
            self._connection.heartbeat_check()

    def _must_listen(self) -> bool:
        # RabbitMQ sends heartbeats. kombu would not wait on Redis if it may ask for nothing.
        return self._is_amqp or (self._is_taking and self._consumer.channel.qos.can_consume())


class QueueReader:
    """Gives the orders of each message to ``submit``, and acknowledges the message when they are done.

    It takes no more than ``demand`` allows, survives every outage of the broker, and takes strange messages out of the
    queue, for ``on_strange``. ``app`` is configured by our settings.
    """

    def __init__(
        self, app: Celery, demand: Demand, submit: Submit, on_strange: Callable[[StrangeMessage], object]
    ) -> None:
        self._app = app
        self._demand = demand
        self._submit = submit
        self._on_strange = on_strange
        self._outages = OutageLog(secret=app.connection_for_read().password or None)
        self._done: deque[Any] = deque()
        self._changed = threading.Event()
        self._given_up: str | None = None
        self._is_stopping = self._is_over = False
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._run, name="breakwall-queue-reader", daemon=True)
        self.last_message_at = time.monotonic()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """The demand has changed. Thread-safe; never waits."""
        self.last_message_at = time.monotonic()
        self._changed.set()

    def ask_to_stop(self) -> None:
        """Take no more messages; those in hand are still acknowledged when they are done. Does not wait."""
        self._is_stopping = True
        self._changed.set()

    def stop(self) -> None:
        """Give the messages that are not done back to the broker, and disconnect. Waits at most `STOP_TIMEOUT`."""
        self._is_over = True
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT)

    @property
    def runs(self) -> bool:
        """Whether its thread is alive."""
        return self._thread.is_alive()

    @property
    def expects_messages(self) -> bool:
        """As `Watched.expects_messages`."""
        session = self._session
        return session is not None and session.may_receive and has_room(self._demand)

    def give_up(self, reason: str) -> None:
        """As `Watched.give_up`."""
        self._given_up = reason
        self._changed.set()

    # The thread

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._read()
            except _StoppedError:
                return
            except Exception as error:  # redis, amqp and kombu raise many kinds; each ends the connection
                self._pause(self._outages.failed(error))

    def _read(self) -> None:
        connection = self._connected()
        try:
            self._consume(connection)
        except Exception:
            # A goodbye would need the connection that has failed.
            for release in (connection.collect, connection.close):
                with suppress(Exception):
                    release()
            raise
        finally:
            self._session = None
            self._done.clear()
        with suppress(Exception):
            connection.close()

    def _connected(self) -> Any:
        self._given_up = None
        connection = self._app.connection_for_read(heartbeat=self._app.conf.broker_heartbeat)
        guard(connection, self)  # before the transport is made
        return connection.ensure_connection(
            lambda error, _: self._outages.failed(error),
            None,
            interval_start=FIRST_PAUSE,
            interval_step=LONGER_BY,
            interval_max=LONGEST_PAUSE,
            callback=self._check_stopped,
        )

    def _check_stopped(self) -> None:
        if self._is_stopping:
            raise _StoppedError

    def _consume(self, connection: Any) -> None:
        callbacks = {"on_message": self._on_message, "on_decode_error": self._on_decode_error}
        session = self._session = Session(connection, self._app, self._demand, **callbacks)
        self.last_message_at = time.monotonic()
        stable_at = time.monotonic() + STABLE_AFTER
        while not self._is_over:
            if self._given_up is not None:
                raise ConnectionError(self._given_up)
            if self._is_stopping:
                session.stop_taking()
            self._acknowledge_done()
            session.run_once(self._changed)
            if time.monotonic() > stable_at:
                self._outages.over()
        self._acknowledge_done()

    def _acknowledge_done(self) -> None:
        batch = []
        while self._done:
            batch.append(self._done.popleft())
        acknowledge_all(batch)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._is_stopping and time.monotonic() < end:
            self._changed.wait(TURN)
            self._changed.clear()

    # Messages

    def _on_message(self, message: Any) -> None:
        self.last_message_at = time.monotonic()
        self._outages.over()
        try:
            found = read_message(message.headers, message.body)
        except StrangeError as error:
            self._take_out(message, str(error))
            return
        if self._session is not None:
            self._session.received(message, found.orders)
        self._submit(found.order_ids, partial(self._has_done, message))

    def _has_done(self, message: Any) -> None:
        self._done.append(message)
        self._changed.set()

    def _on_decode_error(self, message: Any, error: Exception) -> None:
        self._take_out(message, f"its body cannot be decoded ({type(error).__name__})")

    def _take_out(self, message: Any, reason: str) -> None:
        self.set_aside(StrangeMessage(reason, parts_of(message), message.body))
        message.ack()

    def set_aside(self, message: StrangeMessage) -> None:
        """As `ChannelListener.set_aside`."""
        self._on_strange(message)

    def refused(self, error: BaseException) -> None:
        """As `ChannelListener.refused`."""
        self._outages.refused(error)
