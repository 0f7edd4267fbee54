"""A Celery task of the shop's own, which gets the event as its only argument."""

import time
from collections.abc import Callable
from typing import Any

from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event


class TaskDestination:
    """Publishes events with ``send(task_id, argument)``, which returns why the queue has no message, or None.

    What ``send`` raises is explained by ``explain``, in words without a secret.
    """

    name = "task"
    endpoint = None

    def __init__(
        self,
        send: Callable[[str, dict[str, Any]], str | None],
        explain: Callable[[BaseException], str],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._send, self._explain, self.close = send, explain, close

    def deliver(self, event: Event, *, deadline: float) -> Result:
        """Publish it once; each wait for the broker is bounded by its connection."""
        if time.monotonic() >= deadline:
            return Result("no time was left")
        try:
            problem = self._send(event.id, event.document)
        except Exception as error:  # whatever the broker does
            return Result(f"the broker took no message ({self._explain(error)})")
        return DELIVERED if problem is None else Result(problem)
