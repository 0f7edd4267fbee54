"""The connection to RabbitMQ."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from breakwall.broker.config import QUEUE
from breakwall.broker.connections.base import BrokerConnection


class UnconfirmedError(Exception):
    """The broker did not confirm in time, or refused. It may have the message or not."""


class BlockedError(UnconfirmedError):
    """RabbitMQ has raised an alarm and reads no messages."""


class RabbitMQConnection(BrokerConnection):
    """Writes all messages, then waits for all confirmations. kombu itself waits after each message."""

    missing_queue_closes_channel = True

    def __init__(self, app: Any) -> None:
        timeouts = {"read_timeout": self.step_timeout, "write_timeout": self.step_timeout}
        super().__init__(app, transport_options={"confirm_publish": False, **timeouts})
        self._confirming: Any = None
        self._tag = 0
        self._unconfirmed: set[int] = set()
        self._refused = self._blocked = False

    def _transmit(self, messages: Sequence[Sequence[str]]) -> None:
        self._ask_for_confirmations()
        for order_ids in messages:
            self._expect_confirmation()
            self._post(order_ids, mandatory=True)
        self._await_confirmations()

    def publish_to_no_queue(self) -> None:
        """Publish an empty message that reaches no queue, and wait for its confirmation."""
        self._ask_for_confirmations()
        self._expect_confirmation()
        self.channel.basic_publish(self.channel.prepare_message(b""), exchange=QUEUE, routing_key=uuid4().hex)
        self._await_confirmations()

    def _ask_for_confirmations(self) -> None:
        channel = self.channel
        if channel is self._confirming:
            return
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_refusal)
        channel.events["basic_return"].add(self._on_return)
        channel.connection.on_blocked, channel.connection.on_unblocked = self._on_blocked, self._on_unblocked
        self._confirming, self._tag, self._unconfirmed = channel, 0, set()
        self._refused = self._blocked = False

    def _expect_confirmation(self) -> None:
        self._tag += 1
        self._unconfirmed.add(self._tag)

    def _await_confirmations(self) -> None:
        deadline = time.monotonic() + self.step_timeout
        while self._unconfirmed and not self._refused:
            left = deadline - time.monotonic()
            if left <= 0:
                raise UnconfirmedError("the broker did not confirm in time")
            self._read_events(left)
        if self._refused:
            raise UnconfirmedError("the broker refused a message")

    def _read_events(self, timeout: float) -> None:
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            if self._blocked:
                raise BlockedError("the broker has blocked the connection") from None
            raise

    def _on_ack(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {other for other in self._unconfirmed if other > tag}
        else:
            self._unconfirmed.discard(tag)

    def _on_refusal(self, *_: Any) -> None:
        self._refused = True

    def _on_return(self, *_: Any) -> None:
        self._refused = True

    def _on_blocked(self, *_: Any) -> None:
        self._blocked = True

    def _on_unblocked(self, *_: Any) -> None:
        self._blocked = False
