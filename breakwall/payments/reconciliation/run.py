"""Comparing a payment service's report with the ledger, both of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, exists, func, or_, select

from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.optional_tables import is_there
from breakwall.payments.db.schema import attempts, known_keys, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger.attempt_conditions import UNSETTLED
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT
from breakwall.payments.ledger.pruned import PrunedOrder, pruned_by_id
from breakwall.payments.orders import OrderStatus
from breakwall.payments.reconciliation.charge_status import Meaning
from breakwall.payments.reconciliation.compare import Account, Difference, Kind, compare
from breakwall.payments.reconciliation.matching import Match, keys_before_a_spreadsheet, match
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.payments.reconciliation.staging import Spool

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
        only_known: charges of no order here are others', not differences.
        clock: until when orders are compared where the period has no end.
        account: the payment account that the report is of.
        keys_for: seconds for which pruned orders' keys are known, see `Pruning`; None: they are not forgotten.
        advance: told how many lines or orders more are dealt with.

    Attributes:
        lines: lines of the report.
        charges: of those, the ones with a charge, also where a later line takes it back.
        of_others: of those, the ones that are about no order here and that are no difference.
        paid_orders: paid orders of the period that were looked for in the report.
        not_judged: paid orders that are not in the report, and whose charge may lie before the period.
        pruned: paid orders of the period that were pruned: they are compared where the report has them, and
            not looked for in it.
        forgotten_before: keys of orders that ended before this moment of the period may be forgotten; None: none are.
    """

    def __init__(
        self,
        database: Database,
        *,
        period: Period | None = None,
        only_known: bool = False,
        clock: Clock | None = None,
        account: str = DEFAULT_ACCOUNT,
        keys_for: float | None = None,
        advance: Callable[[int], None] = lambda more: None,
    ) -> None:
        self._database = database
        self._period = period or Period()
        self._only_known = only_known
        self._clock = clock or DatabaseClock()
        self._account = account
        self._keys_for = keys_for
        self._advance = advance
        self.lines = self.charges = self.of_others = self.paid_orders = self.not_judged = self.pruned = 0
        self.forgotten_before: datetime | None = None

    def run(self, report: Iterable[ReportLine]) -> Iterator[Difference]:
        """Yield every difference. The whole report is read before the first one.

        Raises:
            DatabaseUnavailableError: nothing is known about the rest.
            UnreadableFileError: from ``report``.
        """
        with Spool() as spool:
            until = self._period.until or self._now()
            self._read(report, spool)
            yield from self._list_unknown(spool)
            for charge_id, order_ids, number in spool.shared_charges():
                pruned = bool(self._pruned(order_ids[:1]))
                yield Difference(
                    Kind.SHARED_CHARGE, None, None, ", ".join(order_ids), charge_id, number, pruned
                )
            yield from self._compare_reported(spool)
            yield from self._find_missing(spool, until)
            self._count_pruned(until)

    def _read(self, report: Iterable[ReportLine], spool: Spool) -> None:
        for batch in _chunks(report):
            matches = self._match([line for line in batch if line.named])
            self.of_others += sum(map(self._is_of_others, matches))
            # All are kept: what gives a charge back may be known by no other name than the charge.
            spool.add(matches)
            self.lines += len(batch)
            self.charges += sum(line.charged for line in batch)
            self._advance(len(batch))
        spool.complete()

    def _match(self, lines: Sequence[ReportLine]) -> list[Match]:
        return self._database.read(lambda connection: match(connection, lines, self._account))

    def _is_of_others(self, found: Match) -> bool:
        """Whether a line is about no order here, and no difference: nothing of ours was charged by it."""
        if found.order_id or found.owner:
            return False
        match found.line.meaning:
            case Meaning.CHARGED:
                return self._only_known
            case Meaning.NOT_CHARGED:
                return self._only_known or found.line.key is None
        return found.line.meaning is Meaning.REFUNDED

    def _list_unknown(self, spool: Spool) -> Iterator[Difference]:
        for batch in _chunks(spool.without_order()):
            keys = {line.key for line, _ in batch if line.key}
            meant = self._database.read(partial(keys_before_a_spreadsheet, keys=keys))
            pruned = self._pruned([owner for _, owner in batch if owner])
            for line, owner in batch:
                if owner or not self._only_known:
                    said, here = line.charge_id or line.status, meant.get(line.key or "")
                    gone = owner in pruned
                    yield Difference(Kind.UNKNOWN_KEY, owner, line.key, here, said, line.number, gone)

    def _compare_reported(self, spool: Spool) -> Iterator[Difference]:
        for batch in _chunks(spool.by_order()):
            accounts = self._accounts([order_id for order_id, _, _ in batch])
            for order_id, lines, owners in batch:
                yield from compare(accounts[order_id], lines, owners)

    def _accounts(self, order_ids: Sequence[str]) -> Mapping[str, Account]:
        """Of orders that are stored, and of those that were pruned, meanwhile perhaps."""
        stored = {row.id: _account(row) for row in self._rows(_ACCOUNTS.where(orders.c.id.in_(order_ids)))}
        pruned = self._pruned([order_id for order_id in order_ids if order_id not in stored])
        return {**{order_id: _what_is_left(order) for order_id, order in pruned.items()}, **stored}

    def _pruned(self, order_ids: Sequence[str]) -> Mapping[str, PrunedOrder]:
        return (
            self._database.read(lambda connection: pruned_by_id(connection, order_ids)) if order_ids else {}
        )

    def _count_pruned(self, until: datetime) -> None:
        lies_within = [known_keys.c.charge_id.is_not(None), known_keys.c.settled_at < until]
        if self._period.since is not None:
            lies_within.append(known_keys.c.settled_at >= self._period.since)

        def look(connection: Connection) -> None:
            if is_there(connection, known_keys.name):
                self._look_for_forgotten(connection)
                counted = select(func.count()).select_from(known_keys).where(*lies_within)
                self.pruned = connection.scalar(counted) or 0

        self._database.read(look)

    def _look_for_forgotten(self, connection: Connection) -> None:
        if self._keys_for is None or not connection.scalar(select(exists().select_from(known_keys))):
            return
        moment = connection.scalars(select(self._clock.after(-self._keys_for))).one()
        if self._period.since is None or self._period.since < moment:
            self.forgotten_before = moment

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


def _what_is_left(order: PrunedOrder) -> Account:
    return Account(
        order.id,
        order.idempotency_key,
        order.amount,
        order.currency,
        order.status,
        order.charge_id,
        pruned=True,
    )


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(items)
    while batch := list(islice(waiting, CHUNK)):
        yield batch
