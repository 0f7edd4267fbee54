"""What happened in a run, line by line, for whoever has to find out why."""

from __future__ import annotations

from collections.abc import Callable


class Violation(AssertionError):  # noqa: N818 - it is what a test calls a failure, not an error of the program
    """Something happened that must never happen."""


class Story:
    """The log of a run; kept only when somebody is going to read it.

    Args:
        now: seconds since the run began.
        kept: whether to keep the lines.
    """

    def __init__(self, now: Callable[[], float], *, kept: bool) -> None:
        self.kept = kept
        self.lines: list[str] = []
        self._now = now

    def tell(self, who: str, what: str) -> None:
        """Note that something happened now."""
        if self.kept:
            self.lines.append(f"{self._now():10.3f}  {who:<18} {what}")
