"""A worker waits while a resource of its process is exhausted, and continues when it is there again."""

import threading
from collections.abc import Callable
from typing import TypeVar

from breakwall.host.descriptors import free_descriptors
from breakwall.host.exhaustion import EXHAUSTION_ERRORS, ResourceExhaustion, exhausted_resource
from breakwall.payments.db.database import DatabaseUnavailableError

T = TypeVar("T")

# Seconds until the next try. Other processes, or a person who raises a limit, need at least that long.
PAUSE = 1.0

# Tries for one message; the dispatcher sends another one later. During these tries the thread takes no other
# message, which would need the same resource.
TRIES = 30


class ExhaustionRetry:
    """Retries work while it fails because a resource is exhausted. Safe for threads."""

    def __init__(self, exhaustion: ResourceExhaustion) -> None:
        self.exhaustion = exhaustion
        self._ending = threading.Event()

    def run(self, work: Callable[[], T]) -> T:
        """Call ``work``, and again while no descriptors, threads, memory or disk are left for it.

        Raises what ``work`` raises for another reason, or in its last try.
        """
        for _ in range(TRIES - 1):
            try:
                result = work()
            except (DatabaseUnavailableError, *EXHAUSTION_ERRORS) as error:
                if not self._wait_after(error):
                    raise
            else:
                self.exhaustion.report_success()
                return result
        return work()

    def end(self) -> None:
        """Wait no longer, because the worker ends."""
        self._ending.set()

    def _wait_after(self, error: Exception) -> bool:
        """Wait after a failure; returns False if another try is of no use."""
        resource = exhausted_resource(error)
        if resource is None:
            return False
        self.exhaustion.report(resource)
        free_descriptors(error)
        return not self._ending.wait(PAUSE)
