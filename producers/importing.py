"""Imports many orders into the queue, in batches. A bad line does not stop the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from breakwall.payments.db.database import Database
from breakwall.payments.ledger.accept import known_by_key
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError, Order
from breakwall.producers.order_files import OrderLine
from breakwall.producers.producer import BATCH, OrderProducer
from breakwall.texts import quoted


@dataclass
class ImportSummary:
    """How many lines had which result."""

    accepted: int = 0  # New orders.
    already_known: int = 0  # Orders of an earlier run or an earlier line.
    bad: int = 0  # Lines that are not an order, or that conflict with one.

    @property
    def lines(self) -> int:
        return self.accepted + self.already_known + self.bad


class OrderImporter:
    """Gives the orders of a file to a producer, in batches. A second import of the same lines changes nothing.

    ``database`` is the database that the producer uses. ``report`` is called with the number of each bad line and its
    problem.
    """

    def __init__(
        self, producer: OrderProducer, database: Database, report: Callable[[int, str], None]
    ) -> None:
        self._producer = producer
        self._database = database
        self._report = report
        self.summary = ImportSummary()

    def run(self, lines: Iterable[OrderLine]) -> Iterator[list[OrderLine]]:
        """Queue every good line; yields each batch of lines once it is stored or reported.

        Raises `DatabaseUnavailableError`, and the `UnreadableFileError` of ``lines``. `summary` then counts what was
        stored, and the whole import may be repeated.
        """
        waiting = iter(lines)
        while batch := list(islice(waiting, BATCH)):
            self._enqueue(self._distinct(batch))
            yield batch

    def _distinct(self, batch: list[OrderLine]) -> dict[str, tuple[int, Order]]:
        """The good lines' numbers and orders, by key. If two lines have the same key, the first one counts."""
        orders: dict[str, tuple[int, Order]] = {}
        for line in batch:
            if line.order is None:
                self._report_bad(line.number, line.problem or "")
                continue
            key = line.order.idempotency_key
            number, order = orders.setdefault(key, (line.number, line.order))
            if number == line.number:
                continue
            if order == line.order:
                self.summary.already_known += 1
            else:
                problem = f"idempotency_key: {quoted(key)} is line {number}'s, for another order"
                self._report_bad(line.number, problem)
        return orders

    def _enqueue(self, orders: dict[str, tuple[int, Order]]) -> None:
        while orders:
            try:
                results = self._producer.enqueue(order for _, order in orders.values())
            except IdempotencyConflictError as conflict:
                # Nothing of the batch was stored. One read finds all its conflicting orders.
                self._drop_conflicts(orders, conflict)
                continue
            except InvalidOrderError as error:
                # Nothing of the batch was stored: for example, the last moment of one has passed.
                self._drop_invalid(orders, error)
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
            self._report_bad(orders.pop(key)[0], str(found))

    def _drop_invalid(self, orders: dict[str, tuple[int, Order]], error: InvalidOrderError) -> None:
        invalid = [key for key in orders if key in error.keys]
        if not invalid:
            raise error  # Nobody may try the same batch for ever.
        for key in invalid:
            self._report_bad(orders.pop(key)[0], str(error))

    def _report_bad(self, number: int, problem: str) -> None:
        self.summary.bad += 1
        self._report(number, problem)
