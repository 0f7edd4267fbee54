"""What has happened to orders since the first count, in numbers that only grow.

No order is counted where it is charged: that would cost each order a write to one row that all share. A reader counts
instead, up to the moment `COMMITTED` seconds ago, and stores the sums with that moment. So a restart or a second
process changes nothing, and a reading costs what has happened since the last one, however many orders are finished.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal_column, select, update

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.revisions import has_table
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.db.schema import operator_tables as tables
from breakwall.payments.orders import OrderStatus

# Seconds after which a change is taken to be committed. Its moment is of the statement, so the commit comes later.
COMMITTED = 10.0
STEP = 60.0  # Seconds that one statement covers; more where little has happened.
FEW = 1_000  # Orders in a step, below which the next one is twice as long.
BUDGET = 0.05  # Seconds that one reading spends on counting: the next one continues.
LONGEST_UNSAVED = 600.0  # Seconds without any order, after which their end is saved too.

Key = tuple[str, ...]  # The name of a sum, and the values of its labels.


@dataclass(frozen=True, slots=True)
class OrderTotals:
    """The sums of everything up to ``until``: ``numbers["ended", "paid"]``, for example. Names are in `_counted`."""

    until: datetime
    numbers: Counter[Key]

    def of(self, name: str) -> dict[Key, float]:
        """The sums of one name, by the values of their labels."""
        return {key[1:]: float(number) for key, number in sorted(self.numbers.items()) if key[0] == name}


class TotalsReader:
    """Reads the sums, and first counts what has happened since. Safe for threads and for several processes."""

    def __init__(
        self, database: Database, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic

    def read(self) -> OrderTotals | None:
        """The sums, counted on for `BUDGET` seconds; None before revision 0008. Raises `DatabaseUnavailableError`."""
        end = self._monotonic() + BUDGET
        before = self._database.read(_stored) or self._begin()
        if before is None:
            return None
        after, span = before, STEP
        while (step := self._database.read(partial(self._step, after, span))) is not None:
            after = OrderTotals(step.until, after.numbers + step.numbers)
            if self._monotonic() > end:
                break
            if _orders_in(step) < FEW:
                span *= 2
        return before if after is before else self._save(before, after)

    def _begin(self) -> OrderTotals | None:
        def work(connection: Connection) -> OrderTotals | None:
            if not has_table(connection, tables.order_totals.name):
                return None
            row = {"id": 1, "counted_until": self._clock.after(-COMMITTED), "numbers": "[]"}
            connection.execute(insert_missing(connection.dialect.name, tables.order_totals).values(row))
            return _stored(connection)

        return self._database.write(work, name="order_totals")

    def _step(self, since: OrderTotals, span: float, connection: Connection) -> OrderTotals | None:
        """What has happened after ``since``, for at most ``span`` seconds; None: nothing that must be saved."""
        last: datetime = connection.execute(select(self._clock.after(-COMMITTED))).scalar_one()
        until = min(last, since.until + timedelta(seconds=span))
        if until <= since.until:
            return None
        numbers = Counter(dict(_counted(connection, since.until, until)))
        idle = not numbers and until == last and seconds_between(since.until, until) < LONGEST_UNSAVED
        return None if idle else OrderTotals(until, numbers)

    def _save(self, before: OrderTotals, after: OrderTotals) -> OrderTotals:
        """``after``, or the sums of the process that has counted on from ``before`` first."""
        row = tables.order_totals
        ours = row.c.counted_until == before.until  # Nobody else has counted on meanwhile.

        def work(connection: Connection) -> OrderTotals:
            columns = {"counted_until": after.until, "numbers": _dumped(after.numbers)}
            changed = connection.execute(update(row).where(row.c.id == 1, ours).values(columns)).rowcount
            return after if changed else _stored(connection) or after

        try:
            return self._database.write(work, name="order_totals")
        except DatabaseUnavailableError:  # It may be read-only: then the next reading counts the same again.
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


def _counted(connection: Connection, since: datetime, until: datetime) -> Iterator[tuple[Key, int]]:
    """The sums of one step, as far as they are not 0."""
    accepted = connection.scalar(_accepted(since, until)) or 0
    sums: Counter[Key] = Counter({("accepted",): accepted})
    for row in connection.execute(_ended(since, until)):
        sums["ended", row.status] += row.number
        sums["money", row.status, row.currency] += int(row.amount)
        for name in ("retries", "deferrals", "look_ups"):
            sums[name,] += int(getattr(row, name))
    for row in connection.execute(_attempts(since, until)):
        sums["attempts", row.source, row.outcome] += row.number
    return ((key, number) for key, number in sums.items() if number)


# With every state named, the index of states and times answers.
_ANY_STATUS = orders.c.status.in_([literal_column(f"'{status.value}'") for status in OrderStatus])


def _accepted(since: datetime, until: datetime) -> Select[int]:
    within = and_(orders.c.created_at > since, orders.c.created_at <= until)
    return select(func.count()).select_from(orders).where(_ANY_STATUS, within)


def _ended_within(since: datetime, until: datetime) -> Any:
    return and_(orders.c.settled_at > since, orders.c.settled_at <= until)


def _ended(since: datetime, until: datetime) -> Select[Any]:
    """By status and currency. What an order had before a person retried it was counted when it ended then."""
    return (
        select(
            orders.c.status,
            orders.c.currency,
            func.count().label("number"),
            func.sum(orders.c.amount).label("amount"),
            func.sum(orders.c.retry_count - orders.c.retry_floor).label("retries"),
            func.sum(orders.c.deferral_count).label("deferrals"),
            func.sum(orders.c.look_up_count - orders.c.look_up_floor).label("look_ups"),
        )
        .where(_ended_within(since, until))
        .group_by(orders.c.status, orders.c.currency)
    )


def _attempts(since: datetime, until: datetime) -> Select[Any]:
    """The attempts of the orders that ended, by who made them and what came of them."""
    return (
        select(attempts.c.source, attempts.c.outcome, func.count().label("number"))
        .join(orders, orders.c.id == attempts.c.order_id)
        .where(_ended_within(since, until), attempts.c.number > orders.c.attempt_floor)
        .where(attempts.c.outcome.is_not(None))
        .group_by(attempts.c.source, attempts.c.outcome)
    )
