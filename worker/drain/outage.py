"""What an exchange does after a failure of the database."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from breakwall.host.descriptors import free_descriptors
from breakwall.host.exhaustion import ResourceExhaustion, exhausted_resource
from breakwall.log_throttle import throttled
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker.drain.jobs import Paid, Unsent
from breakwall.worker.exhaustion import PAUSE, TRIES

log = logging.getLogger("breakwall.worker")

Kept = TypeVar("Kept", Paid, Unsent)


class Outage:
    """Pauses the exchanges for a while. For one thread. ``lease``: seconds that a claim holds."""

    def __init__(
        self,
        exhaustion: ResourceExhaustion,
        *,
        lease: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exhaustion = exhaustion
        self._lease = lease
        self._monotonic = monotonic
        self._report = throttled(log.warning)
        self._paused_until = float("-inf")
        self._tries = 0

    @property
    def pause(self) -> float:
        """The seconds until the database is asked again; 0.0: now."""
        return max(0.0, self._paused_until - self._monotonic())

    def begin(self, error: DatabaseUnavailableError) -> bool:
        """An exchange has failed. Returns whether its orders are to be tried again: only if a resource is exhausted."""
        self._paused_until = self._monotonic() + PAUSE
        self._tries += 1
        resource = exhausted_resource(error)
        if resource is not None and self._tries < TRIES:
            self._exhaustion.report(resource)
            free_descriptors(error)
            return True
        self._report(f"an exchange with the database failed: {error}")
        return False

    def end(self) -> None:
        """An exchange has succeeded."""
        self._tries = 0
        self._exhaustion.report_success()

    def leased(self, kept: Sequence[Kept]) -> tuple[list[Kept], list[str]]:
        """Which of some results may still be recorded, and the ids of the others.

        Those are found by a look-up, after their leases.
        """
        now = self._monotonic()
        left = [one for one in kept if now < one.job.begun + self._lease]
        lost = [one.job.order_id for one in kept if one not in left]
        for order_id in lost:
            log.warning("order %s is deferred: its claim expires", order_id)
        return left, lost
