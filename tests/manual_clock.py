"""A clock for the ledger that a test moves by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, bindparam

from breakwall.payments.db.clock import UtcDateTime


class ManualClock:
    """Stands still until `advance` moves it."""

    def __init__(self, start: datetime = datetime(2026, 11, 27, tzinfo=UTC)) -> None:
        self.now = start

    def after(self, seconds: float) -> ColumnElement[datetime]:
        moment = self.now + timedelta(seconds=seconds)
        return bindparam(None, moment, type_=UtcDateTime(), unique=True)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
