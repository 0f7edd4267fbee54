"""Celery's consumer without what this queue has no use for, and back sooner after the broker's return."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from celery.worker.consumer import Consumer

RETRY = {"interval_start": 0.25, "interval_step": 0.5, "interval_max": 5.0}
"""Seconds between tries to connect. kombu's own go up to 30, so that a worker could sleep through the first
half-minute after a broker's return; one connection attempt in five seconds costs nobody anything."""


class RetryConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """What ``worker_consumer`` names in `breakwall.broker.celery_config`.

    Left out: looking for other workers, for a second at every connect ("mingle"), and listening to all their
    events ("gossip"), since workers share nothing but the queue; and the 28 queues that Celery declares for
    countdowns beside a quorum queue, since delays are in the database. Remote control stays.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # Celery has no types
        default_steps: ClassVar[list[str]] = [
            step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        ]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "without_mingle": True, "without_gossip": True})

    def ensure_connected(self, conn: Any) -> Any:
        """Celery's own, with `RETRY`."""
        conn.ensure_connection = partial(conn.ensure_connection, **RETRY)
        return super().ensure_connected(conn)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Celery's own, with a close that cannot end the worker.

        Celery lets kombu give up the connection, then closes it. With messages in hand and Redis gone, kombu
        stops giving up half-way, and the close asks for an address that is already forgotten: an
        AttributeError, for which the worker would exit. The messages are published again by the dispatcher.
        """
        self.connection.close = partial(_close_whatever_happens, self.connection.close)
        super().on_connection_error_after_connected(exc)


def _close_whatever_happens(close: Callable[[], None]) -> None:
    with suppress(Exception):
        close()
