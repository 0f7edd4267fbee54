"""Clocks that stand still until a test moves them."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Dialect, bindparam

from breakwall.payments.db.clock import UtcDateTime


class ManualClock:
    """The database's clock, as the ledger reads it.

    Clocks are equal if they have the same place, since then they have the same statements: see `Places`.
    """

    def __init__(self, start: datetime = datetime(2026, 11, 27, tzinfo=UTC)) -> None:
        self.now = start
        self._place = PLACES.take(self)

    def after(self, seconds: float | BindParameter[float]) -> ColumnElement[datetime]:
        if isinstance(seconds, BindParameter):
            return bindparam(seconds.key, type_=_After(self._place))
        return bindparam(None, seconds, type_=_After(self._place), unique=True)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ManualClock) and other._place == self._place

    def __hash__(self) -> int:
        return self._place


class Places:
    """Numbers of clocks. A statement knows only its clock's number, so the next test's first clock has the statements
    of this test's first one: to build and compile them takes longer than to execute them.
    """

    def __init__(self) -> None:
        self._clocks: weakref.WeakValueDictionary[int, ManualClock] = weakref.WeakValueDictionary()
        self._lasting = itertools.count(-1, -1)
        self._used = self._lasting

    def take(self, clock: ManualClock) -> int:
        """A number that no other clock has that is in use."""
        place = next(self._used)
        self._clocks[place] = clock
        return place

    def begin_test(self) -> None:
        """From now on, clocks take the places of an earlier test's."""
        self._used = itertools.count()

    def end_test(self) -> None:
        self._used = self._lasting

    @contextmanager
    def for_longer(self) -> Iterator[None]:
        """Clocks of the block are used by several tests."""
        used, self._used = self._used, self._lasting
        try:
            yield
        finally:
            self._used = used

    def now(self, place: int) -> datetime:
        return self._clocks[place].now


PLACES = Places()


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

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:
        return super().process_bind_param(PLACES.now(self.place) + timedelta(seconds=value), dialect)
