"""The customers' own record of their accepted orders: JSON Lines, written by one process and read by another.

The database alone cannot show what it has lost. So "lost: 0" compares it with what the customers were told.
"""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An accepted order, as its customer recorded it outside of Breakwall."""

    order_id: str
    key: str  # The customer's idempotency key.
    amount: int  # Minor units.
    currency: str
    status: str
    seconds: float  # How long the customer waited for this answer.


class AcknowledgementWriter:
    """Writes the record, line by line, so that each line can be read at once. Safe for threads."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, **fields: object) -> None:
        """Write one of the events that `AcknowledgementReader` reads."""
        with self._lock:
            self._stream.write(json.dumps({"event": event, **fields}) + "\n")
            self._stream.flush()


class AcknowledgementReader:
    """Follows a record while it is written. The attributes hold what was read so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self.acknowledgements: list[Acknowledgement] = []
        self.errors: list[str] = []  # For the customers whose order was not accepted.
        self.ready = False  # The customers are ready to place orders.
        self.done = False  # Every customer has an answer.

    def median_wait(self, since: int) -> float | None:
        """The median of the seconds that all customers but the first ``since`` waited; None without customers."""
        waits = sorted(one.seconds for one in self.acknowledgements[since:])
        return waits[len(waits) // 2] if waits else None

    @property
    def longest_wait(self) -> float:
        """The most seconds that a customer waited for an answer."""
        return max((one.seconds for one in self.acknowledgements), default=0.0)

    def follow(self) -> None:
        """Read what was written since the last call. An incomplete last line waits for the next one."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        self._position += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        match line.pop("event"):
            case "ready":
                self.ready = True
            case "acknowledged":
                self.acknowledgements.append(Acknowledgement(**line))
            case "failed":
                self.errors.append(line["reason"])
            case "done":
                self.done = True
