"""Bringing many orders in: straight to the queue, in batches, so that a bad line takes none along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from breakwall.payments.db.database import Database
from breakwall.payments.ledger.acceptance import known_by_key
from breakwall.payments.orders import IdempotencyConflictError, Order
from breakwall.producers.order_files import Line
from breakwall.producers.producer import BATCH, OrderProducer
from breakwall.texts import quoted


@dataclass
class Summary:
    """What became of the lines. ``accepted``: new orders. ``already_known``: orders that had been accepted
    before, by an earlier run or an earlier line. ``bad``: lines that hold no order."""

    accepted: int = 0
    already_known: int = 0
    bad: int = 0

    @property
    def lines(self) -> int:
        return self.accepted + self.already_known + self.bad


class OrderImporter:
    """Hands lines of orders to a producer; the same lines again change nothing.

    Args:
        producer: what queues the orders.
        database: the producer's, read to find the lines that conflict.
        report: told the number of each bad line and what is wrong with it.
    """

    def __init__(
        self, producer: OrderProducer, database: Database, report: Callable[[int, str], None]
    ) -> None:
        self._producer = producer
        self._database = database
        self._report = report
        self.summary = Summary()

    def run(self, lines: Iterable[Line]) -> Iterator[list[Line]]:
        """Queue every good line; yields each batch of lines after it has been dealt with.

        Raises:
            DatabaseUnavailableError: `summary` says how far it came; the whole may be run again.
            UnreadableFileError: from ``lines``; likewise, once the file is whole.
        """
        waiting = iter(lines)
        while batch := list(islice(waiting, BATCH)):
            self._enqueue(self._distinct(batch))
            yield batch

    def _distinct(self, batch: list[Line]) -> dict[str, tuple[int, Order]]:
        """The good lines' orders by key. Of two lines with one key the first counts."""
        found: dict[str, tuple[int, Order]] = {}
        for line in batch:
            if line.order is None:
                self._bad(line.number, line.problem or "")
                continue
            first = found.setdefault(line.order.idempotency_key, (line.number, line.order))
            if first[0] == line.number:
                continue
            if first[1] == line.order:
                self.summary.already_known += 1
            else:
                key = line.order.idempotency_key
                self._bad(
                    line.number, f"idempotency_key: {quoted(key)} is line {first[0]}'s, for another order"
                )
        return found

    def _enqueue(self, orders: dict[str, tuple[int, Order]]) -> None:
        while orders:
            try:
                results = self._producer.enqueue(order for _, order in orders.values())
            except IdempotencyConflictError as conflict:
                # Nothing of the batch was stored. One look finds every order of it that conflicts.
                self._drop_conflicts(orders, conflict)
                continue
            known = sum(result.replayed for result in results)
            self.summary.already_known += known
            self.summary.accepted += len(results) - known
            return

    def _drop_conflicts(
        self, orders: dict[str, tuple[int, Order]], conflict: IdempotencyConflictError
    ) -> None:
        conflicts = {conflict.key: conflict}
        keys = list(orders)
        stored = self._database.read(lambda connection: known_by_key(connection, keys))
        for key, known in stored.items():
            try:
                known.check_same_as(orders[key][1])
            except IdempotencyConflictError as error:
                conflicts[key] = error
        for key, found in conflicts.items():
            self._bad(orders.pop(key)[0], str(found))

    def _bad(self, number: int, problem: str) -> None:
        self.summary.bad += 1
        self._report(number, problem)
