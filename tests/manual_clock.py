"""Clocks that stand still until a test moves them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, bindparam

from breakwall.payments.db.clock import UtcDateTime


class ManualClock:
    """The database's clock, as the ledger reads it."""

    def __init__(self, start: datetime = datetime(2026, 11, 27, tzinfo=UTC)) -> None:
        self.now = start

    def after(self, seconds: float) -> ColumnElement[datetime]:
        """Read when the statement runs, as a server does: statements are built once and used again."""
        return bindparam(
            None, callable_=lambda: self.now + timedelta(seconds=seconds), type_=UtcDateTime(), unique=True
        )

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class MonotonicClock:
    """Monotonic seconds. Call it, or put it in the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    sleep = advance
