"""How a message is acknowledged after the work on its orders, and why Celery cannot revoke or cancel it before."""

import functools
import logging
import os
import signal
from types import FrameType
from typing import Any

from celery.worker.request import Request
from celery.worker.state import revoked as revoked_tasks

from breakwall.crashpoints import reach

log = logging.getLogger("breakwall.worker")


class RetryRequest(Request):
    """Celery's object for a message in progress. The message is acknowledged when the work is done."""

    _connection_errors: tuple[type[BaseException], ...]

    def acknowledge(self) -> None:
        reach("before", "acknowledge")
        # Any error here means that the connection is lost, or that the broker refuses. The message is delivered
        # again, and then finds nothing to claim.
        self._connection_errors = (Exception,)
        super().acknowledge()
        reach("after", "acknowledge")

    def revoked(self) -> bool:
        """Never: only the database finishes an order, and the dispatcher would republish it.

        Celery remembers a revoked id for three hours, and every message of an order has the order's id.
        """
        if self.id in revoked_tasks:
            log.warning(
                "order %s is worked on although its message was revoked: `breakwall orders cancel` ends it",
                self.id,
            )
            revoked_tasks.discard(self.id)
        return False

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """At a second Ctrl-C, or SIGQUIT: let the thread that charges continue, because it cannot be killed."""
        self.task.app.breakwall.exhaustion_retry.end()
        end_at_next_signal()

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Nothing: a thread cannot be killed, and a charge that was sent cannot be taken back."""


@functools.cache  # Celery calls `cancel` for each payment in progress; this runs once.
def end_at_next_signal() -> None:
    """Log what the worker waits for, and let the next signal end the process at once.

    Celery would try to kill the threads that charge, but threads cannot be killed. A call in progress ends by its
    timeout. If the process ends earlier, that is like a crash: the next worker finishes the orders.
    """
    log.warning(
        "ending: payments in progress end by their timeout. Another Ctrl-C ends the worker at once; the next worker "
        "then finishes them"
    )
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
