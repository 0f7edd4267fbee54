"""The connection to Redis or Valkey."""

from collections.abc import Sequence
from typing import Any

from breakwall.broker.connections.base import MESSAGES_AT_ONCE, BrokerConnection


class RedisConnection(BrokerConnection):
    """Sends all messages in one pipeline, which is one round trip."""

    def __init__(self, app: Any, **more_options: Any) -> None:
        timeouts = {"socket_timeout": self.step_timeout, "socket_connect_timeout": self.step_timeout}
        super().__init__(app, transport_options={**timeouts, **more_options})

    def _transmit(self, messages: Sequence[Sequence[str]]) -> None:
        with self._producer.batch(max_size=MESSAGES_AT_ONCE):
            for order_ids in messages:
                self._post(order_ids)
