"""Runs a long job on many orders as a series of short transactions, with a pause after each."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

from sqlalchemy import Column, ColumnElement, Row, Select, or_, select

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders

T = TypeVar("T")

# Orders in one transaction: some tens of milliseconds, so that no other transaction waits for long.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Position:
    """How far a job has come: the last order's id, and its moment by which the orders are sorted."""

    at: datetime
    order_id: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """The position of a row from `orders_by_age`."""
        return cls(row[1], row[0])


def orders_by_age(
    moment: Column[datetime], *conditions: ColumnElement[bool], after: Position | None
) -> Select[Any]:
    """The ids and moments of the orders that come ``after`` a position, those with the earliest moment first."""
    query = select(orders.c.id, moment).where(*conditions).order_by(moment, orders.c.id)
    if after is None:
        return query
    # The first comparison is for the index, which cannot answer the one with OR.
    return query.where(moment >= after.at, or_(moment > after.at, orders.c.id > after.order_id))


class BatchJob:
    """A long job on many orders. Safe to stop anywhere, and to run again.

    It sleeps after each transaction for as long as that took, so that it has at most half of the database's time.
    Every method raises `DatabaseUnavailableError` when the database does not answer.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = DATABASE_CLOCK,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sleep = sleep
        self._timer = timer

    def _find(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())

    def _paced(self, batches: Iterator[T]) -> Iterator[T]:
        """Yield each batch, then sleep for as long as it took."""
        started = self._timer()
        for batch in batches:
            yield batch
            self._sleep(self._timer() - started)
            started = self._timer()
