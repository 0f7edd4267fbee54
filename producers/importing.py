"""Imports many orders into the queue, in batches. A bad line does not stop the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from breakwall.payments.db.database import Database
from breakwall.payments.orders import Order
from breakwall.producers.order_files import OrderLine
from breakwall.producers.pending import PlaceResult
from breakwall.producers.producer import BATCH, OrderProducer
from breakwall.producers.separate_results import enqueue_each
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
        by_key = {key: order for key, (_, order) in orders.items()}
        results = enqueue_each(self._producer.enqueue, self._database, list(by_key.values()))
        for key, result in zip(by_key, results, strict=True):
            if not isinstance(result, PlaceResult):
                self._report_bad(orders[key][0], str(result))
            elif result.replayed:
                self.summary.already_known += 1
            else:
                self.summary.accepted += 1

    def _report_bad(self, number: int, problem: str) -> None:
        self.summary.bad += 1
        self._report(number, problem)
