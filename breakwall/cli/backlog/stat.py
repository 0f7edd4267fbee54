"""Shows `backlog --stat`: a line a second, in columns, as vmstat does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from breakwall.json_documents import stat_document
from breakwall.terminal.options import Format
from breakwall.terminal.output import screen, write_json, write_note

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from breakwall.monitor.backlog import Backlog, Monitor
    from breakwall.monitor.history.traffic import Traffic

BEHIND = 1.0  # Seconds by which the traffic is counted later: a transaction may commit meanwhile.

# Names and widths of the columns. A longer value moves the rest of its line.
COLUMNS = (
    *(("time", 8), ("breaker", 11), ("queued", 9), ("due", 9), ("in_flight", 9), ("review", 6), ("dead", 7)),
    *(("oldest", 8), ("arrive/s", 8), ("finish/s", 8), ("broker", 7), ("workers", 7)),
)


@dataclass(frozen=True, slots=True)
class Second:
    """A snapshot, and what happened since the one before; None: this is the first."""

    seen: Backlog
    at: datetime
    span: float = 0.0
    traffic: Traffic | None = None

    @property
    def arrivals_per_second(self) -> float | None:
        """Orders that began to wait."""
        return self._rate(None if self.traffic is None else self.traffic.arrivals)

    @property
    def finished_per_second(self) -> float | None:
        """Orders that had waited and are finished: paid, declined, or otherwise."""
        return self._rate(None if self.traffic is None else self.traffic.finished)

    def _rate(self, number: int | None) -> float | None:
        return None if number is None or self.span <= 0 else number / self.span


class Seconds:
    """Takes a snapshot for each line. Raises as `Monitor.snapshot`.

    ``longest_call``: seconds that a customer's own call takes at most, before its order waits.
    """

    def __init__(self, monitor: Monitor, *, exact: int, longest_call: float) -> None:
        self._monitor = monitor
        self._exact = exact
        self._longest_call = longest_call
        self._last: datetime | None = None

    def take(self) -> Second:
        """The snapshot of now, and the traffic since the call before, but for the last `BEHIND` seconds."""
        seen = self._monitor.snapshot(exact=self._exact)
        second = self._monitor.database.read(lambda found: self._count(found, seen))
        self._last = second.at
        return second

    def _count(self, connection: Connection, seen: Backlog) -> Second:
        from sqlalchemy import select

        from breakwall.monitor.history.traffic import count_traffic

        at: datetime = connection.execute(select(self._monitor.clock.after(0))).scalar_one()
        if self._last is None:
            return Second(seen, at)
        late = timedelta(seconds=BEHIND)
        traffic = count_traffic(connection, self._last - late, at - late, longest_call=self._longest_call)
        return Second(seen, at, (at - self._last).total_seconds(), traffic)


class StatLines:
    """Writes a header, again after each screen, and a line for each second."""

    def __init__(self, output: Format) -> None:
        self._output = output
        self._lines = 0

    def show(self, second: Second) -> None:
        if self._output is Format.JSON:
            write_json(
                stat_document(second.seen, second.arrivals_per_second, second.finished_per_second),
                indent=None,
            )
            return
        if self._lines % max(1, screen()[1] - 2) == 0:
            _write(header())
        self._lines += 1
        _write(line(second))

    def fail(self, error: str) -> None:
        write_note(f"Error: {error}")


def header() -> str:
    """The names of the columns."""
    return " ".join(f"{name:>{width}}" for name, width in COLUMNS)


def line(second: Second) -> str:
    """One line of numbers. A ``+`` is behind a lower bound; a dash is unknown."""
    seen, more = second.seen, "+" if second.seen.counted.is_partial else ""
    aside = "" if seen.aside_counted.value != "at_least" else "+"
    values = (
        f"{second.at:%H:%M:%S}",
        _breaker(seen),
        f"{seen.queued}{more}",
        f"{seen.due}{more}",
        seen.in_flight,
        f"{seen.review}{aside}",
        f"{seen.dead}{aside}",
        f"{seen.oldest_age_seconds:.0f}s",
        _number(second.arrivals_per_second),
        _number(second.finished_per_second),
        "-" if seen.broker_messages is None else seen.broker_messages,
        seen.workers,
    )
    return " ".join(f"{value:>{width}}" for value, (_, width) in zip(values, COLUMNS, strict=True))


def _breaker(seen: Backlog) -> str:
    if not seen.breaker.store_ok:
        return "unknown"
    return seen.breaker.state.value if seen.breaker.override is None else seen.breaker.override.mode.value


def _number(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}"


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
