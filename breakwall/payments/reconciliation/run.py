"""Compares a payment service's report with the ledger, in short transactions; both may be of any length."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, exists, func, or_, select

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import attempts, known_keys, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.ledger.attempt_conditions import UNRESOLVED
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT
from breakwall.payments.ledger.pruned_orders import PrunedOrder, pruned_by_id
from breakwall.payments.orders import OrderStatus
from breakwall.payments.reconciliation.charge_status import Meaning
from breakwall.payments.reconciliation.compare import Discrepancy, Kind, LedgerOrder, compare
from breakwall.payments.reconciliation.matching import Match, keys_with_lost_zeros, match
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.payments.reconciliation.staging import StagingTable

T = TypeVar("T")

BATCH = 500  # Lines or orders in one query.


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a report covers; aware. None: no bound.

    A paid order is missing in the report only if all of its charging was within the period: from the start of the
    first attempt that may have charged to the moment when the order was known to be paid.
    """

    since: datetime | None = None
    until: datetime | None = None  # the first moment after it


class Reconciliation:
    """One comparison, and what it has counted. Changes nothing."""

    def __init__(
        self,
        database: Database,
        *,
        period: Period = Period(),
        only_known: bool = False,  # a charge of no order here belongs to other software and is no discrepancy
        clock: Clock = DATABASE_CLOCK,  # for the end of a period without an end
        account: str = DEFAULT_ACCOUNT,  # the payment account of the report
        # Seconds for which `Pruning` keeps the keys of pruned orders; None: for ever.
        keys_for: float | None = None,
        advance: Callable[[int], None] = lambda more: None,  # called with how many lines or orders are done
    ) -> None:
        self._database, self._period, self._account = database, period, account
        self._only_known, self._keys_for, self._advance = only_known, keys_for, advance
        self._clock = clock
        self.lines = 0  # of the report
        self.charges = 0  # lines with a charge, also if a later line reverses it
        self.of_others = 0  # lines that are about no order here and are no discrepancy
        self.paid_orders = 0  # of the period, without the pruned ones
        self.not_judged = (
            0  # paid orders that are not in the report, and may have been charged before the period
        )
        self.pruned = 0  # paid orders of the period that were pruned: compared only if the report has them
        # The keys of orders that finished before this moment may be forgotten; None: no such order is of the period.
        self.forgotten_before: datetime | None = None

    def run(self, report: Iterable[ReportLine]) -> Iterator[Discrepancy]:
        """Yield every discrepancy. The whole report is read before the first one; every line of it is compared.

        `DatabaseUnavailableError` and the report's `UnreadableFileError` end it.
        """
        with StagingTable() as staging:
            until = self._period.until or self._now()
            self._stage(report, staging)
            yield from self._find_unknown(staging)
            yield from self._find_shared(staging)
            yield from self._compare_reported(staging)
            yield from self._find_missing(staging, until)
            self._database.read(partial(self._count_pruned, until=until))

    def _stage(self, report: Iterable[ReportLine], staging: StagingTable) -> None:
        for batch in _batches(report):
            named = [line for line in batch if line.named]
            matches = self._database.read(partial(match, lines=named, account=self._account))
            self.of_others += sum(map(self._is_of_others, matches))
            # Lines of others too: a line that reverses a charge may name nothing but the charge.
            staging.add(matches)
            self.lines += len(batch)
            self.charges += sum(line.charged for line in batch)
            self._advance(len(batch))
        staging.complete()

    def _is_of_others(self, found: Match) -> bool:
        """Whether a line is about no order here and is no discrepancy."""
        if found.order_id or found.owner:
            return False
        match found.line.meaning:
            case Meaning.CHARGED:
                return self._only_known
            case Meaning.NOT_CHARGED:
                return self._only_known or found.line.key is None
        return found.line.meaning is Meaning.REFUNDED

    def _find_unknown(self, staging: StagingTable) -> Iterator[Discrepancy]:
        for batch in _batches(staging.without_order()):
            keys = {line.key for line, _ in batch if line.key}
            similar = self._database.read(partial(keys_with_lost_zeros, keys=keys))
            pruned = self._pruned([owner for _, owner in batch if owner])
            for line, owner in batch:
                if owner or not self._only_known:
                    here, reported = similar.get(line.key or ""), line.charge_id or line.status
                    yield Discrepancy(
                        Kind.UNKNOWN_KEY, owner, line.key, here, reported, line.number, owner in pruned
                    )

    def _find_shared(self, staging: StagingTable) -> Iterator[Discrepancy]:
        for charge_id, order_ids, number in staging.shared_charges():
            pruned = bool(self._pruned(order_ids[:1]))
            yield Discrepancy(Kind.SHARED_CHARGE, None, None, ", ".join(order_ids), charge_id, number, pruned)

    def _compare_reported(self, staging: StagingTable) -> Iterator[Discrepancy]:
        for batch in _batches(staging.by_order()):
            found = self._orders([order_id for order_id, _, _ in batch])
            for order_id, lines, owners in batch:
                yield from compare(found[order_id], lines, owners)

    def _orders(self, order_ids: Sequence[str]) -> Mapping[str, LedgerOrder]:
        """The orders by id, stored or pruned: pruning may run between matching and this."""
        stored = {row.id: _ledger_order(row) for row in self._rows(_ORDERS.where(orders.c.id.in_(order_ids)))}
        pruned = self._pruned([order_id for order_id in order_ids if order_id not in stored])
        return {**{key: _ledger_order(order, pruned=True) for key, order in pruned.items()}, **stored}

    def _pruned(self, order_ids: Sequence[str]) -> Mapping[str, PrunedOrder]:
        return self._database.read(partial(pruned_by_id, order_ids=order_ids)) if order_ids else {}

    def _find_missing(self, staging: StagingTable, until: datetime) -> Iterator[Discrepancy]:
        for rows in self._paid_orders(until):
            missing = staging.missing([row.id for row in rows])
            self.paid_orders += len(rows)
            for row in rows:
                if row.id not in missing:
                    continue
                if self._period.since is not None and row.began_at < self._period.since:
                    self.not_judged += 1
                else:
                    yield from compare(_ledger_order(row), [])
            self._advance(len(rows))

    def _paid_orders(self, until: datetime) -> Iterator[Sequence[Row[Any]]]:
        after: tuple[datetime, str] | None = None
        while rows := self._rows(paid_query(self._period.since, until, after)):
            yield rows
            after = (rows[-1].settled_at, rows[-1].id)

    def _count_pruned(self, connection: Connection, until: datetime) -> None:
        counted = select(func.count()).where(
            known_keys.c.charge_id.is_not(None), known_keys.c.settled_at < until
        )
        if self._period.since is not None:
            counted = counted.where(known_keys.c.settled_at >= self._period.since)
        self.pruned = connection.scalar(counted) or 0
        if self._keys_for is not None and connection.scalar(select(exists().select_from(known_keys))):
            forgotten_before = connection.scalars(select(self._clock.after(-self._keys_for))).one()
            if self._period.since is None or self._period.since < forgotten_before:
                self.forgotten_before = forgotten_before

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())

    def _now(self) -> datetime:
        return self._database.read(lambda connection: connection.scalars(select(self._clock.after(0))).one())


def paid_query(since: datetime | None, until: datetime, after: tuple[datetime, str] | None) -> Select[Any]:
    """The next paid orders of a period, read from the index on ``settled_at``."""
    query = (
        _ORDERS.add_columns(orders.c.settled_at, _BEGAN_AT.label("began_at"))
        # A paid order has a charge. With a condition on the status, SQLite would read every paid order.
        .where(orders.c.charge_id.is_not(None), orders.c.settled_at < until)
        .order_by(orders.c.settled_at, orders.c.id)
        .limit(BATCH)
    )
    if since is not None:
        query = query.where(orders.c.settled_at >= since)
    if after is None:
        return query
    at, order_id = after
    return query.where(orders.c.settled_at >= at, or_(orders.c.settled_at > at, orders.c.id > order_id))


_ORDERS = select(
    orders.c.id,
    orders.c.idempotency_key,
    orders.c.amount,
    orders.c.currency,
    orders.c.status,
    orders.c.charge_id,
)

_BEGAN_AT = func.coalesce(
    select(func.min(attempts.c.started_at))
    .where(attempts.c.order_id == orders.c.id, or_(UNRESOLVED, attempts.c.outcome == Outcome.SUCCEEDED))
    .scalar_subquery(),
    orders.c.created_at,
)


def _ledger_order(found: Row[Any] | PrunedOrder, *, pruned: bool = False) -> LedgerOrder:
    key, status = found.idempotency_key, OrderStatus(found.status)
    return LedgerOrder(found.id, key, found.amount, found.currency, status, found.charge_id, pruned)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
