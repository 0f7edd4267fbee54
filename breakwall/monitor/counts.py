"""Counts the unfinished orders for a snapshot. No statement here reads all finished orders.

Up to `LONG` waiting orders, all are counted for each snapshot. Above that, a snapshot takes the count that a worker
stored some seconds ago (`stored_counts`), because a count of a million orders takes tenths of a second. The same holds
for the orders in review and the dead ones, each above `set_aside.MANY`.
"""

import time
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from breakwall.monitor.failures import find_failures
from breakwall.monitor.homeless import count_homeless
from breakwall.monitor.order_counts import DRAIN_WINDOW as DRAIN_WINDOW
from breakwall.monitor.order_counts import STALLED_AFTER as STALLED_AFTER
from breakwall.monitor.order_counts import Counted as Counted
from breakwall.monitor.order_counts import Counts as Counts
from breakwall.monitor.order_counts import OrderCounts as OrderCounts
from breakwall.monitor.order_counts import Rejected as Rejected
from breakwall.monitor.retry_shape import DueBucket, RetryBucket
from breakwall.monitor.set_aside import SetAside, are_many, count_every, count_some
from breakwall.monitor.stored_counts import Part, StoredCount, read_stored
from breakwall.monitor.waiting_orders import count_waiting
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import likely, read_in_index_order
from breakwall.payments.db.schema import QUEUED, orders
from breakwall.payments.fleet.workers import known_workers
from breakwall.payments.operator.incidents import count_open

# Waiting orders up to which each snapshot reads all of them. On SQLite that takes 35 ms of processor time.
LONG = 10_000

# Above `LONG`, if no worker has counted: ``queued`` is counted by an index, `CHUNK` orders at a time, up to `EXACT`
# orders, and beyond that for `COUNTING` seconds. All other numbers are those of the first `SAMPLED` orders.
EXACT = 50_000
COUNTING = 0.02
CHUNK = 10_000
SAMPLED = 2_000


def count(connection: Connection, clock: Clock, *, exact: int = 0) -> Counts:
    """Count within a running transaction, in a time that does not grow with the orders that wait.

    Without a count of a worker, ``queued`` is exact up to ``exact`` orders, at least up to `EXACT`, and beyond that as
    far as `COUNTING` seconds suffice.
    """
    read_in_index_order(connection)
    stored = read_stored(connection, clock)
    waiting = _stored_waiting(stored) or _count_now(connection, clock, max(exact, EXACT))
    aside = _stored_aside(stored) or _count_aside(connection)
    money = {**waiting.pop("money"), **aside.pop("money")}
    fleet = known_workers(connection, clock)
    return Counts(
        **waiting,
        **aside,
        money=money,
        failures=find_failures(connection, clock),
        incidents=count_open(connection),
        fleet=fleet,
        homeless=count_homeless(connection, clock, fleet),
    )


def is_long(connection: Connection) -> bool:
    """Whether more than `LONG` orders wait."""
    return connection.execute(_skip(None, LONG)).one_or_none() is not None


def long_parts(connection: Connection) -> set[Part]:
    """What has to be counted by a worker, because a snapshot would take too long."""
    read_in_index_order(connection)
    found = {Part.WAITING} if is_long(connection) else set()
    return found | ({Part.ASIDE} if are_many(connection) else set())


def count_all(connection: Connection, clock: Clock, parts: set[Part] | None = None) -> StoredCount:
    """Count these parts, or both, however long it takes, for `stored_counts.store`."""
    wanted = set(Part) if parts is None else parts
    at: datetime = connection.execute(select(clock.after(0))).scalar_one()
    numbers: dict[str, Any] = {}
    if Part.WAITING in wanted:
        waiting = count_waiting(connection, clock, None)
        at = waiting.pop("at")
        shape = {
            name: [asdict(each) for each in waiting[name]] for name in ("retry_histogram", "next_retries")
        }
        numbers[Part.WAITING.value] = {**waiting, **shape, "rejected": asdict(waiting["rejected"])}
    if Part.ASIDE in wanted:
        numbers[Part.ASIDE.value] = asdict(count_every(connection))
    return StoredCount(at, 0.0, numbers)


def _stored_waiting(stored: StoredCount | None) -> dict[str, Any] | None:
    """The numbers of the waiting orders that a worker of this version has stored; None without recent ones."""
    numbers = None if stored is None else stored.part(Part.WAITING)
    if stored is None or numbers is None:
        return None
    return {
        **numbers,
        "at": stored.at,
        "counted": Counted.STORED,
        "age_seconds": stored.age,
        "rejected": Rejected(**numbers["rejected"]),
        "retry_histogram": tuple(RetryBucket(**each) for each in numbers["retry_histogram"]),
        "next_retries": tuple(DueBucket(**each) for each in numbers["next_retries"]),
    }


def _stored_aside(stored: StoredCount | None) -> dict[str, Any] | None:
    numbers = None if stored is None else stored.part(Part.ASIDE)
    return None if numbers is None else _aside(SetAside(**numbers), Counted.STORED)


def _count_aside(connection: Connection) -> dict[str, Any]:
    found = count_some(connection)
    return _aside(found, Counted.NOW if found.is_all else Counted.AT_LEAST)


def _aside(found: SetAside, counted: Counted) -> dict[str, Any]:
    return {**found.numbers, "money": found.money, "aside_counted": counted}


def _count_now(connection: Connection, clock: Clock, exact: int) -> dict[str, Any]:
    queued, is_all = _count_queued(connection, exact)
    if queued <= LONG:
        return count_waiting(connection, clock, None)
    counted = Counted.SAMPLED if is_all else Counted.AT_LEAST
    return {**count_waiting(connection, clock, SAMPLED), "queued": queued, "counted": counted}


def _count_queued(connection: Connection, exact: int) -> tuple[int, bool]:
    """How many orders wait, and whether these are all. An index alone answers.

    But PostgreSQL reads each row that was changed since the last vacuum, too: then a million orders take seconds.
    """
    end = time.monotonic() + COUNTING
    counted, last = 0, None
    while (found := connection.execute(_skip(last, CHUNK - 1)).one_or_none()) is not None:
        counted, last = counted + CHUNK, found
        if counted > exact and time.monotonic() > end:
            return counted, False
    rest = _after(last).limit(CHUNK).subquery()
    return counted + (connection.scalar(select(func.count()).select_from(rest)) or 0), True


def _skip(last: Row[Any] | None, number: int) -> Select[Any]:
    """The place of an order in the index of waiting orders, so many behind the next one after ``last``."""
    return _after(last).offset(number).limit(1)


def _after(last: Row[Any] | None) -> Select[Any]:
    """The waiting orders behind ``last``, in the order of the index."""
    place = (orders.c.dispatch_at, orders.c.id)
    waiting = select(*place).where(likely(orders.c.status == QUEUED)).order_by(*place)
    return waiting if last is None else waiting.where(tuple_(*place) > tuple_(*last))
