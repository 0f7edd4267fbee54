"""Tells the log and the heartbeat what became of orders."""

from collections.abc import Callable, Sequence

from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.orders import OrderStatus
from breakwall.worker.log.orders import OrderLog


class DrainLog:
    """Logs what was done. ``on_work`` is called after orders were worked on."""

    def __init__(self, order_log: OrderLog, on_work: Callable[[], object]) -> None:
        self._order_log = order_log
        self._on_work = on_work

    def finished(self, order_id: str, status: OrderStatus | None, took: float) -> None:
        """An order was worked on the single way. ``status``: its state, None if there was nothing to do."""
        if status is not None:
            self._on_work()
        self._order_log.write(order_id, status, took)

    def paid(self, attempts: Sequence[Attempt]) -> None:
        self._on_work()
        self._order_log.paid(attempts)

    def deferred(self, order_ids: Sequence[str], seconds: float, why: str) -> None:
        self._on_work()
        self._order_log.deferred(order_ids, seconds, why)

    def nothing_to_do(self, order_ids: Sequence[str]) -> None:
        self._order_log.nothing_to_do(order_ids)
