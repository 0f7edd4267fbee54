"""A worker's log of its broker's outages, and the pauses between two connects."""

import logging
import time
from collections.abc import Callable

from breakwall.log_throttle import LogThrottle

log = logging.getLogger("breakwall.broker")

FIRST_PAUSE = 0.25
LONGER_BY = 0.5
# Seconds between two tries to connect. kombu's pauses grow to 30, so a worker could wait half a minute after its
# broker's return. A try every five seconds costs almost nothing.
LONGEST_PAUSE = 5.0

# Failures of one kind in a row after which this kind is logged too: often the last connection broke in one way, and
# each new one is refused in another.
PERSISTENT = 5

MAX_CHARACTERS = 300  # Of the broker's text in one line.
_FAILS = "the broker fails: %s. Orders wait in the database; this worker continues when the broker does"
_REFUSES = "the broker refuses something: %s. Messages are processed all the same"


class OutageLog:
    """Logs that the broker fails, once for each outage and at most once a minute, and that it is back.

    A failure of another kind that persists is logged at once: it may need a person. ``secret``, the broker's
    password, is removed from each line.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, secret: str | None = None) -> None:
        self._clock = clock
        self._secret = secret
        self._throttle = LogThrottle(clock)
        self._began: float | None = None
        self._is_logged = False
        self._tries = 0
        self._kind, self._alike = "", 0

    def failed(self, error: BaseException) -> float:
        """Record a failure; return the seconds to wait before the next try."""
        if self._began is None:
            self._began, self._is_logged, self._tries = self._clock(), False, 0
        kind = type(_cause(error)).__name__
        self._kind, self._alike = kind, self._alike + 1 if kind == self._kind else 1
        if self._throttle.admit(kind if self._alike >= PERSISTENT else ""):
            self._throttle.silence("")
            self._throttle.silence(kind)
            self._is_logged = True
            log.warning(_FAILS, self._words(error))
        self._tries += 1
        return min(FIRST_PAUSE + (self._tries - 1) * LONGER_BY, LONGEST_PAUSE)

    def refused(self, error: BaseException) -> None:
        """Log a refusal that stops nothing."""
        if self._throttle.admit(_REFUSES):
            log.warning(_REFUSES, self._words(error))

    def over(self) -> None:
        """Record that the broker works."""
        if self._began is None:
            return
        if self._is_logged:
            log.warning("the broker is back after %.0f s", self._clock() - self._began)
        self._began = None

    def _words(self, error: BaseException) -> str:
        cause = _cause(error)
        # By name, because amqp is loaded only for RabbitMQ. Its text has numbers and does not name the queue.
        deleted = type(cause).__name__ == "ConsumerCancelled"
        text = "its queue was deleted" if deleted else f"{cause}".strip().rstrip(".") or type(cause).__name__
        if self._secret:
            text = text.replace(self._secret, "…")
        return "".join(char if char.isprintable() else " " for char in text[:MAX_CHARACTERS])


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error
