"""Clocks that stand still until a test moves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Dialect, bindparam

from breakwall.payments.db.clock import UtcDateTime


class ManualClock:
    """The database's clock, as the ledger reads it."""

    def __init__(self, start: datetime = datetime(2026, 11, 27, tzinfo=UTC)) -> None:
        self.now = start

    def after(self, seconds: float | BindParameter[float]) -> ColumnElement[datetime]:
        if isinstance(seconds, BindParameter):
            return bindparam(seconds.key, type_=_After(self))
        return bindparam(None, seconds, type_=_After(self), unique=True)

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


class _After(UtcDateTime):
    """A moment that is given as the seconds from now, and found when the statement is executed."""

    cache_ok = True

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:
        return super().process_bind_param(self.clock.now + timedelta(seconds=value), dialect)
