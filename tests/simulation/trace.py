"""The trace of a run, and the exception for a broken invariant."""

from collections.abc import Callable


class Violation(BaseException):
    """Something happened that must never happen. Not an `Exception`: the product handles those of a charge."""


class Trace:
    """The log of a run, if it is ``kept``. ``now`` returns the seconds since the run began."""

    def __init__(self, now: Callable[[], float], *, kept: bool) -> None:
        self.kept = kept
        self.lines: list[str] = []
        self._now = now

    def record(self, source: str, event: str) -> None:
        """Record that something happens now."""
        if self.kept:
            self.lines.append(f"{self._now():10.3f}  {source:<18} {event}")
