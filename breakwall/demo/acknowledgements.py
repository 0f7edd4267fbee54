"""The customers' own record of what they were promised: JSON Lines, written by one process, read by another.

Kept apart from the database on purpose. What was accepted is what a customer was told, not what can still
be found afterwards; otherwise "lost 0" would be true of a program that loses everything.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from breakwall.demo.reconciliation import Promise


class PromiseWriter:
    """Writes the record, each line at once. Safe for threads."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def ready(self) -> None:
        """The customers stand at the door."""
        self._write({"event": "ready"})

    def promised(self, promise: Promise) -> None:
        """A customer was told that the order is accepted."""
        self._write({"event": "promised", **asdict(promise)})

    def refused(self, key: str, reason: str) -> None:
        """A customer was told that nothing was accepted."""
        self._write({"event": "refused", "key": key, "reason": reason})

    def done(self) -> None:
        """Every customer has had an answer."""
        self._write({"event": "done"})

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()


class PromiseReader:
    """Follows a record that is being written.

    Attributes:
        promises: all that were made so far.
        told: how many customers were told which state.
        refusals: the reasons of those who were told that nothing was accepted.
        ready, done: whether the customers have come, and have all been served.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""
        self.promises: list[Promise] = []
        self.told: Counter[str] = Counter()
        self.refusals: list[str] = []
        self.ready = False
        self.done = False

    def usual_wait(self, since: int) -> float | None:
        """Seconds that the middle customer waited, not counting the first ``since``; None for nobody."""
        waits = sorted(promise.seconds for promise in self.promises[since:])
        return waits[len(waits) // 2] if waits else None

    @property
    def longest_wait(self) -> float:
        """Seconds that the most patient customer waited for an answer."""
        return max((promise.seconds for promise in self.promises), default=0.0)

    def follow(self) -> None:
        """Read what was written since the last look; a line that is still being written waits."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        match line.pop("event"):
            case "ready":
                self.ready = True
            case "promised":
                promise = Promise(**line)
                self.promises.append(promise)
                self.told[promise.told] += 1
            case "refused":
                self.refusals.append(line["reason"])
            case "done":
                self.done = True
