"""What has happened to orders since the first count, in numbers that only grow.

No order is counted where it is charged: that would cost each order a write to one row that all share. A reader counts
instead, up to the moment `COMMITTED` seconds ago, and stores the sums with that moment. So a restart or a second
process changes nothing, and a reading costs what has happened since the last one, however many orders are finished.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, select, update

from breakwall.monitor.metrics.counted import Key, count
from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.revisions import has_table
from breakwall.payments.db.schema import operator_tables as tables

# Seconds after which a change is taken to be committed. Its moment is of the statement, so the commit comes later.
COMMITTED = 10.0
STEP = 60.0  # Seconds that one statement covers; more where little has happened.
FEW = 1_000  # Orders in a step, below which the next one is twice as long.
BUDGET = 0.05  # Seconds that one reading spends on counting: the next one continues.
LONGEST_UNSAVED = 600.0  # Seconds without any order, after which their end is saved too.


@dataclass(frozen=True, slots=True)
class OrderTotals:
    """The sums of everything up to ``until``, such as ``numbers["ended", "paid"]``. `counted.count` has the names."""

    until: datetime
    numbers: Counter[Key]

    def of(self, name: str) -> dict[Key, float]:
        """The sums of one name, by the values of their labels."""
        return {key[1:]: float(number) for key, number in sorted(self.numbers.items()) if key[0] == name}


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """Sums that the database did not take. ``of``: which database, see `Database.prepared`."""

    totals: OrderTotals
    of: object


class TotalsReader:
    """Reads the sums, and first counts what has happened since. Safe for threads and for several processes."""

    def __init__(
        self, database: Database, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._unsaved: _Unsaved | None = None

    def read(self) -> OrderTotals | None:
        """The sums, counted on for `BUDGET` seconds. Raises `DatabaseUnavailableError`.

        None before revision 0008, and on a read-only database on which nobody has begun to count.
        """
        end = self._monotonic() + BUDGET
        stored = self._database.read(_stored) or self._begin()
        if stored is None:
            return None
        before = self._newer(stored)
        after, span = before, STEP
        while (step := self._database.read(partial(self._step, after, span))) is not None:
            after = OrderTotals(step.until, after.numbers + step.numbers)
            if self._monotonic() > end:
                break
            if _orders_in(step) < FEW:
                span *= 2
        return before if after is before else self._save(stored, after)

    def _newer(self, stored: OrderTotals) -> OrderTotals:
        """What is stored, or what this process has counted since and could not store: no number falls."""
        unsaved = self._unsaved
        if unsaved is None or unsaved.of is not self._database.prepared:
            return stored
        if unsaved.totals.numbers <= stored.numbers:
            return stored
        # Of each sum the higher one: after the clock was set back, others have counted more up to an earlier moment.
        numbers = stored.numbers | unsaved.totals.numbers
        return OrderTotals(max(stored.until, unsaved.totals.until), numbers)

    def _begin(self) -> OrderTotals | None:
        def work(connection: Connection) -> OrderTotals | None:
            if not has_table(connection, tables.order_totals.name):
                return None
            row = {"id": 1, "counted_until": self._clock.after(-COMMITTED), "numbers": "[]"}
            connection.execute(insert_missing(connection.dialect.name, tables.order_totals).values(row))
            return _stored(connection)

        try:
            return self._database.write(work, name="order_totals")
        except DatabaseUnavailableError:  # It has just answered a read, so it may be read-only.
            return None

    def _step(self, since: OrderTotals, span: float, connection: Connection) -> OrderTotals | None:
        """What has happened after ``since``, for at most ``span`` seconds; None: nothing that must be saved."""
        last: datetime = connection.execute(select(self._clock.after(-COMMITTED))).scalar_one()
        if since.until > last + timedelta(seconds=COMMITTED):
            return OrderTotals(last, Counter())  # The database's clock was set back: count on from there.
        until = min(last, since.until + timedelta(seconds=span))
        if until <= since.until:
            return None
        numbers = Counter(dict(count(connection, since.until, until)))
        idle = not numbers and until == last and seconds_between(since.until, until) < LONGEST_UNSAVED
        return None if idle else OrderTotals(until, numbers)

    def _save(self, before: OrderTotals, after: OrderTotals) -> OrderTotals:
        """``after``, or the sums of the process that has counted on from the stored ones ``before`` first."""
        row = tables.order_totals
        ours = row.c.counted_until == before.until  # Nobody else has counted on meanwhile.

        def work(connection: Connection) -> OrderTotals:
            columns = {"counted_until": after.until, "numbers": _dumped(after.numbers)}
            changed = connection.execute(update(row).where(row.c.id == 1, ours).values(columns)).rowcount
            return after if changed else _stored(connection) or after

        try:
            return self._newer(self._database.write(work, name="order_totals"))
        except DatabaseUnavailableError:  # It may be read-only: then the next reading goes on from here.
            self._unsaved = _Unsaved(after, self._database.prepared)
            return after


def _stored(connection: Connection) -> OrderTotals | None:
    if not has_table(connection, tables.order_totals.name):
        return None
    row = connection.execute(select(tables.order_totals)).one_or_none()
    return None if row is None else OrderTotals(row.counted_until, _loaded(row.numbers))


def _dumped(numbers: Counter[Key]) -> str:
    return json.dumps([[*key, number] for key, number in sorted(numbers.items())])


def _loaded(text: str) -> Counter[Key]:
    return Counter({tuple(key): number for *key, number in json.loads(text)})


def _orders_in(step: OrderTotals) -> int:
    return sum(number for key, number in step.numbers.items() if key[0] in {"accepted", "ended"})
