"""What a worker says of its broker's failures, and how long it waits before it tries again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("breakwall.broker")

FIRST_PAUSE = 0.25
LONGER_BY = 0.5
LONGEST_PAUSE = 5.0
"""Seconds between tries to connect. kombu's own go up to 30, so that a worker could sleep through the first
half-minute after a broker's return; one connection attempt in five seconds costs nobody anything."""

SILENCE = 60.0
"""Seconds between two lines about the same outage."""

LASTS = 5
"""Failures of one kind in a row after which it is told beside what was told before: the last connection broke in one
way, and each new one is refused in another."""

LONGEST = 300
"""Characters of a broker's words that are repeated."""


class Outages:
    """Says that the broker fails, once an outage and once a minute at most, and that it is over.

    What fails in another way for longer than a moment is told then: it may need somebody.

    Args:
        clock: seconds, monotonic.
        secret: a text that no line may hold, the broker's password.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, secret: str | None = None) -> None:
        self._clock = clock
        self._secret = secret
        self._began: float | None = None
        self._told = False
        self._tries = 0
        self._kind, self._alike = "", 0
        self._silent_until: dict[str, float] = {}

    def failed(self, error: BaseException) -> float:
        """Take note of a failure. Returns how many seconds to wait before the next try."""
        if self._began is None:
            self._began, self._told, self._tries = self._clock(), False, 0
        sentence = (
            "the broker fails: %s. Orders wait in the database; this worker goes on when the broker does"
        )
        kind = type(_cause(error)).__name__
        self._kind, self._alike = kind, self._alike + 1 if kind == self._kind else 1
        news = f"{sentence} {kind}" if self._alike >= LASTS else sentence
        if self._say(sentence, error, news):
            self._told = True
            self._hush(f"{sentence} {kind}")
        self._tries += 1
        return min(FIRST_PAUSE + (self._tries - 1) * LONGER_BY, LONGEST_PAUSE)

    def complained(self, error: BaseException) -> None:
        """Take note of a refusal that stops nothing."""
        self._say("the broker refuses something: %s. Messages are worked on all the same", error)

    def over(self) -> None:
        """Take note that messages flow."""
        if self._began is None:
            return
        if self._told:
            log.warning("the broker is back after %.0f s", self._clock() - self._began)
        self._began = None

    def _say(self, sentence: str, error: BaseException, news: str | None = None) -> bool:
        now = self._clock()
        if now < self._silent_until.get(news or sentence, now):
            return False
        self._hush(sentence)
        log.warning(sentence, self._words(error))
        return True

    def _hush(self, news: str) -> None:
        self._silent_until[news] = self._clock() + SILENCE

    def _words(self, error: BaseException) -> str:
        cause = _cause(error)
        # By name: amqp is loaded for RabbitMQ alone. Its own text has numbers and no word of a queue.
        deleted = type(cause).__name__ == "ConsumerCancelled"
        text = "its queue was deleted" if deleted else f"{cause}".strip().rstrip(".") or type(cause).__name__
        if self._secret:
            text = text.replace(self._secret, "…")
        return "".join(char if char.isprintable() else " " for char in text[:LONGEST])


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error
