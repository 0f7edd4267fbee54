"""Logs which resource has run out, and that there is enough again."""

import logging
import threading
from collections.abc import Callable

from breakwall.log_throttle import INTERVAL

log = logging.getLogger("breakwall.machine")

# Seconds without exhaustion after which it is over: of many threads one fails while the next gets what it
# wants.
CALM = 10.0


class ResourceExhaustion:
    """Knows what is exhausted now, and logs it, once a minute. Safe for threads.

    Args:
        clock: seconds, monotonic.
        on_change: called with the resource that is exhausted, and with None once nothing is.
    """

    def __init__(
        self, clock: Callable[[], float], *, on_change: Callable[[str | None], None] = lambda resource: None
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._exhausted: str | None = None
        self._at = self._logged_at = 0.0

    def report(self, resource: str) -> None:
        """There is no ``resource`` left, now."""
        with self._lock:
            at = self._clock()
            is_news = resource != self._exhausted or at - self._logged_at >= INTERVAL
            self._exhausted, self._at = resource, at
            if is_news:
                self._logged_at = at
        self._on_change(resource)
        if is_news:
            log.warning(
                "this process has no %s left; it goes on as far as it can, and as soon as it can", resource
            )

    def report_success(self) -> None:
        """Something went well that needs what may be exhausted."""
        if self._exhausted is None:
            return
        with self._lock:
            if self._exhausted is None or self._clock() - self._at < CALM:
                return
            was, self._exhausted = self._exhausted, None
        self._on_change(None)
        log.warning("this process has %s again", was)
