"""Comparing a payment service's report with the ledger, both of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, or_, select

from breakwall.payments.clock import Clock, DatabaseClock
from breakwall.payments.database import Database
from breakwall.payments.differences import Account, Difference, Kind, compare
from breakwall.payments.facts import UNSETTLED
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.gateways.wire_keys import key_behind
from breakwall.payments.keys import order_id_within
from breakwall.payments.orders import OrderStatus
from breakwall.payments.reports import ReportLine
from breakwall.payments.schema import attempts, orders
from breakwall.payments.spool import Spool
from breakwall.payments.texts import is_allowed

T = TypeVar("T")

CHUNK = 500
"""Orders that are read at once."""


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a report covers, ``since`` included and ``until`` not; aware. None: no bound.

    An order is missed in the report when all of its charging lay within the period: from the start of the
    first attempt that may have charged to the moment when it was known to be paid.
    """

    since: datetime | None = None
    until: datetime | None = None


class Reconciliation:
    """One comparison. Reads in short transactions and changes nothing.

    Args:
        database: where the orders are.
        period: what the report covers; every line of it is compared, whatever its time.
        clock: until when orders are compared where the period has no end.
        advance: told how many lines or orders more are dealt with.

    Attributes:
        lines: lines of the report.
        charges: of those, the ones with a charge, also where a later line takes it back.
        paid_orders: paid orders of the period that were looked for in the report.
        not_judged: paid orders that are not in the report, and whose charge may lie before the period.
    """

    def __init__(
        self,
        database: Database,
        *,
        period: Period | None = None,
        clock: Clock | None = None,
        advance: Callable[[int], None] = lambda more: None,
    ) -> None:
        self._database = database
        self._period = period or Period()
        self._clock = clock or DatabaseClock()
        self._advance = advance
        self.lines = self.charges = self.paid_orders = self.not_judged = 0

    def run(self, report: Iterable[ReportLine]) -> Iterator[Difference]:
        """Yield every difference. The whole report is read before the first one.

        Raises:
            DatabaseUnavailableError: nothing is known about the rest.
            UnreadableReportError: from ``report``.
        """
        with Spool() as spool:
            until = self._period.until or self._now()
            self._read(report, spool)
            for line in spool.without_order():
                yield Difference(
                    Kind.UNKNOWN_KEY, None, line.key, None, line.charge_id or line.status, line.number
                )
            for charge_id, order_ids, number in spool.shared_charges():
                yield Difference(Kind.SHARED_CHARGE, None, None, ", ".join(order_ids), charge_id, number)
            yield from self._compare_reported(spool)
            yield from self._find_missing(spool, until)

    def _read(self, report: Iterable[ReportLine], spool: Spool) -> None:
        for batch in _chunks(report):
            known = self._known({line.key for line in batch})
            spool.add((line, known.get(line.key)) for line in batch)
            self.lines += len(batch)
            self.charges += sum(line.charged for line in batch)
            self._advance(len(batch))
        spool.complete()

    def _known(self, keys: set[str]) -> dict[str, str]:
        return self._database.read(lambda connection: order_ids_by_key(connection, keys))

    def _compare_reported(self, spool: Spool) -> Iterator[Difference]:
        for batch in _chunks(spool.by_order()):
            wanted = _ACCOUNTS.where(orders.c.id.in_([order_id for order_id, _ in batch]))
            accounts = {row.id: _account(row) for row in self._rows(wanted)}
            for order_id, lines in batch:
                yield from compare(accounts[order_id], lines)

    def _find_missing(self, spool: Spool, until: datetime) -> Iterator[Difference]:
        for found in self._paid_orders(until):
            missing = spool.missing([row.id for row in found])
            self.paid_orders += len(found)
            for row in found:
                if row.id not in missing:
                    continue
                if self._period.since is not None and row.began_at < self._period.since:
                    self.not_judged += 1
                else:
                    yield from compare(_account(row), [])
            self._advance(len(found))

    def _paid_orders(self, until: datetime) -> Iterator[Sequence[Row[Any]]]:
        after: tuple[datetime, str] | None = None
        while found := self._rows(paid_query(self._period.since, until, after)):
            yield found
            after = (found[-1].settled_at, found[-1].id)

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())

    def _now(self) -> datetime:
        return self._database.read(lambda connection: connection.scalars(select(self._clock.after(0))).one())


def order_ids_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """The orders that were sent with these keys, or are to be, by key: their own or a renewed one.

    Each key is taken as the header carried it, or else as it stands: some services decode what they receive.
    """
    behind = {key: _sent_as(key) for key in keys}
    own = _by_own_key(connection, {*behind, *behind.values()})
    found = {key: own[name] for key, sent in behind.items() for name in (key, sent) if name in own}
    return found | _by_renewed_key(connection, behind.keys() - found.keys())


def _sent_as(received: str) -> str:
    key = key_behind(received)
    # A text that no driver can encode is no order's key.
    return key if key and is_allowed(key) else received


def _by_own_key(connection: Connection, keys: set[str]) -> dict[str, str]:
    wanted = select(orders.c.idempotency_key, orders.c.id).where(orders.c.idempotency_key.in_(keys))
    return _pairs(connection, wanted)


def _by_renewed_key(connection: Connection, keys: Set[str]) -> dict[str, str]:
    renewed = {key: order_id for key in keys if (order_id := order_id_within(key))}
    if not renewed:
        return {}
    sent = select(attempts.c.gateway_key, attempts.c.order_id).where(
        attempts.c.order_id.in_(renewed.values()), attempts.c.gateway_key.in_(renewed)
    )
    to_be_sent = select(orders.c.charge_key, orders.c.id).where(
        orders.c.id.in_(renewed.values()), orders.c.charge_key.in_(renewed)
    )
    return _pairs(connection, sent) | _pairs(connection, to_be_sent)


def _pairs(connection: Connection, query: Select[Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(query)}


def paid_query(since: datetime | None, until: datetime, after: tuple[datetime, str] | None) -> Select[Any]:
    """The next paid orders of a period, from the index on the time of settlement."""
    query = (
        _ACCOUNTS.add_columns(orders.c.settled_at, _BEGAN_AT.label("began_at"))
        # Who is paid has a charge. Asked for the state instead, SQLite reads all paid orders there are.
        .where(orders.c.charge_id.is_not(None), orders.c.settled_at < until)
        .order_by(orders.c.settled_at, orders.c.id)
        .limit(CHUNK)
    )
    if since is not None:
        query = query.where(orders.c.settled_at >= since)
    if after is None:
        return query
    at, order_id = after
    return query.where(orders.c.settled_at >= at, or_(orders.c.settled_at > at, orders.c.id > order_id))


_ACCOUNTS = select(
    orders.c.id,
    orders.c.idempotency_key,
    orders.c.amount,
    orders.c.currency,
    orders.c.status,
    orders.c.charge_id,
)

_BEGAN_AT = func.coalesce(
    select(func.min(attempts.c.started_at))
    .where(attempts.c.order_id == orders.c.id, or_(UNSETTLED, attempts.c.outcome == Outcome.SUCCEEDED))
    .scalar_subquery(),
    orders.c.created_at,
)


def _account(row: Row[Any]) -> Account:
    status = OrderStatus(row.status)
    return Account(row.id, row.idempotency_key, row.amount, row.currency, status, row.charge_id)


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(items)
    while batch := list(islice(waiting, CHUNK)):
        yield batch
