"""Measures for how long the circuit admitted no call, between two samples."""

from breakwall.breaker import BreakerStatus
from breakwall.monitor.alarms import refuses_all

LEAST = 1.0  # Seconds for which an opening counts that was over before the next look.


class OpenTime:
    """`look` at the circuit about each second; `share` gives the share of a span and begins the next one."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last: tuple[float, bool] | None = (
            None  # The moment of the last look, and whether nothing was admitted.
        )
        self._openings: int | None = None
        self._missed = 0  # Openings that no look has seen.

    def look(self, status: BreakerStatus, now: float) -> None:
        """``now``: monotonic seconds."""
        is_open = refuses_all(status)
        if self._last is None:
            self._seconds = _open_for(status) if is_open else 0.0
        elif self._last[1]:
            self._seconds += now - self._last[0]
        if self._openings is not None and status.open_count > self._openings and not is_open:
            self._missed += 1
        self._last, self._openings = (now, is_open), status.open_count

    def share(self, span: float) -> float:
        """The share of the last ``span`` seconds, 0.0 to 1.0."""
        seconds = self._seconds + (LEAST * self._missed if self._seconds == 0 else 0.0)
        self._seconds, self._missed = 0.0, 0
        return min(1.0, seconds / span) if span > 0 else 0.0


def _open_for(status: BreakerStatus) -> float:
    """Seconds since an open circuit has opened, or an operator has forced it open."""
    since = status.opened_at if status.override is None else status.override.set_at
    return 0.0 if since is None else max(0.0, status.store_time - since)
