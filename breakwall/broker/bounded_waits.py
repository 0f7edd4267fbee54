"""A bound on each wait for RabbitMQ's answer. py-amqp waits without an end.

If RabbitMQ or a proxy hangs, its machine still acknowledges every packet, and no error ends the wait. With an alarm
raised, RabbitMQ answers no connection that has published. A timeout of the socket does not help: py-amqp tries to read
again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class BoundedWaits:
    """For py-amqp's connections and channels, before them among the base classes.

    A wait without an answer raises `TimeoutError` and drops the connection: each later use of it fails at once.
    """

    timeout: ClassVar[float]  # Seconds without any frame of RabbitMQ.
    connection: Any

    def wait(
        self,
        method: Any,
        callback: Callable[..., object] | None = None,
        timeout: float | None = None,
        returns_tuple: bool = False,
    ) -> Any:
        connection = self.connection
        ours: Any = super()
        try:
            return ours.wait(method, callback, self.timeout if timeout is None else timeout, returns_tuple)
        except TimeoutError:
            connection.collect()
            raise
