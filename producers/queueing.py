"""Stores the orders that are not charged now. Those that come at the same time share a transaction."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import DataError

from breakwall import tracing
from breakwall.breaker import forking
from breakwall.host.exhaustion import exhausted_resource
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.errors import SAFE_TO_REPEAT, SchemaError, exhaustion_as_unavailable
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.ledger.accept import Accepted
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.payments.retry_policy import deferral
from breakwall.producers.pending import PendingOrder, PlaceResult, as_exception, replay
from breakwall.producers.threads import Right

STORERS = 2  # Transactions at the same time: one gathers orders while the other one commits.
MOST_TOGETHER = 100  # Orders of one transaction: few, so that it is short.
GATHER = 0.001  # Seconds for which a storer waits for more orders, if few wait.
SIMILAR = 1.0  # Seconds by which the deferrals of orders in one transaction may differ.


@dataclass(frozen=True, slots=True)
class _Waiting:
    pending: PendingOrder
    retry_after: float | None  # What the circuit has said; None if it was not asked.


class QueueingOrders:
    """Stores orders as ``queued``, in the background.

    ``submit`` runs a function in another thread, and raises `RuntimeError` or `MemoryError` if it cannot. ``publish``
    gets the ids of the new orders that are due at once. ``left`` says how many seconds an order's caller still waits.
    ``on_end`` is called with each order when its work has ended. ``gather`` waits for `GATHER`.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        submit: Callable[[Callable[[], None]], None],
        publish: Callable[[list[str]], None],
        left: Callable[[PendingOrder], float],
        on_end: Callable[[PendingOrder], None],
        jitter: Callable[[], float],
        gather: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._submit = submit
        self._publish = publish
        self._left = left
        self._on_end = on_end
        self._jitter = jitter
        self._gather = gather
        self.after_fork()
        forking.remember(self)

    def after_fork(self) -> None:
        """In a forked child: the orders that wait are the parent's."""
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._storers: set[Right] = set()
        self._last = 0  # Orders of the last transaction.

    def add(
        self, pending: PendingOrder, retry_after: float | None = None, *, may_wait: bool | None = None
    ) -> None:
        """Store the order soon. If no thread can be started, store it in this one, or refuse it.

        ``may_wait``: whether this thread may wait for the database; None: as its caller's, which it is.
        """
        storer = Right()
        try:
            with self._lock:
                self._drop_abandoned()
                self._waiting.append(_Waiting(pending, retry_after))
                if len(self._storers) == STORERS:
                    return
                self._storers.add(storer)
            self._submit(partial(self._begin, storer))
        except BaseException as error:
            if storer not in self._storers or not storer.take():
                raise  # A signal's handler has raised it: before there was a storer, or after its thread had begun.
            if not isinstance(error, RuntimeError | MemoryError):
                self._end(storer)
                raise
            if pending.may_block if may_wait is None else may_wait:
                self._store_all(storer, pending)
            else:
                self._refuse_all(storer, error, "this process can start no thread")

    def _drop_abandoned(self) -> None:
        """Callers leave in about their order. While the database hangs, what they leave must not pile up."""
        while self._waiting and self._waiting[0].pending.caller_left:
            self._on_end(self._waiting[0].pending)
            self._waiting.popleft()

    def _begin(self, storer: Right) -> None:
        if storer.take():
            self._store_all(storer)

    def _end(self, storer: Right) -> None:
        with self._lock:
            self._storers.discard(storer)

    def _refuse_all(self, storer: Right, error: BaseException, why: str) -> None:
        with self._lock:
            self._storers.discard(storer)
            if self._storers:
                return  # The other storer has them.
            waiting = list(self._waiting)
            self._waiting.clear()
        unavailable = DatabaseUnavailableError(f"{why}. Nothing was accepted; {SAFE_TO_REPEAT}")
        unavailable.lack = exhausted_resource(error)
        self._fail_all(waiting, unavailable)

    def _store_all(self, storer: Right, own: PendingOrder | None = None) -> None:
        """Until no order waits. In the thread of ``own``: only while its caller has time; the next `add` goes on."""
        try:
            while batch := self._take(storer):
                self._store(batch, own)
                if own is not None and self._left(own) <= 0:
                    self._end(storer)
                    return
        except BaseException as error:
            self._refuse_all(storer, error, f"storing orders was interrupted ({type(error).__name__})")
            raise

    def _take(self, storer: Right) -> list[_Waiting]:
        """The next orders that fit into one transaction. Empty: this storer has ended."""
        if 0 < len(self._waiting) < self._last / 2:
            self._gather()  # The callers of the last ones have their answers now, and come again.
        with self._lock:
            batch = list(self._take_similar())
            self._last = len(batch) or self._last
            if not batch:
                self._storers.discard(storer)
            return batch

    def _take_similar(self) -> Iterator[_Waiting]:
        keys: set[str] = set()
        first = self._waiting[0] if self._waiting else None
        while self._waiting and len(keys) < MOST_TOGETHER:
            one = self._waiting[0]
            key = one.pending.order.idempotency_key
            if key in keys or not _similar(one.retry_after, first.retry_after if first else None):
                return
            self._waiting.popleft()
            keys.add(key)
            yield one

    def _store(self, batch: list[_Waiting], own: PendingOrder | None) -> None:
        present = [one for one in batch if not one.pending.caller_left]
        for one in batch:
            if one.pending.caller_left:  # It was told that the order is not accepted.
                self._on_end(one.pending)
        if not present:
            return
        try:
            with exhaustion_as_unavailable():
                accepted = self._accept(present, own)
        except Exception as error:
            self._fail(present, error, own)
            return
        except BaseException as error:
            self._fail_all(present, as_exception(error))
            raise
        for one in present:
            if one.pending.order.idempotency_key not in accepted.withdrawn:
                one.pending.finish(result_of(one.pending.order, accepted))
            self._on_end(one.pending)

    def _accept(self, batch: list[_Waiting], own: PendingOrder | None) -> Accepted:
        orders = [one.pending.order for one in batch]
        waiting = [one.pending for one in batch] if own is None else [own]
        budget = LockBudget(max(self._left(pending) for pending in waiting))
        said = [one.retry_after for one in batch if one.retry_after is not None]
        delay = deferral(max(said), self._jitter()) if said else 0.0
        accepted = self._ledger.accept_queued(
            orders,
            delay=delay,
            deferrals=1 if said else 0,
            lock_budget=budget,
            withdrawn=lambda: [
                one.pending.order.idempotency_key for one in batch if not one.pending.begin_commit()
            ],
            traces=_traces(batch),
        )
        if not delay:  # Else the dispatcher publishes them when they are due.
            self._publish(list(accepted.new.values()))
        return accepted

    def _fail(self, batch: list[_Waiting], error: Exception, own: PendingOrder | None) -> None:
        if len(batch) > 1 and _may_be_of_one_order(error):
            for one in batch:
                self._store([one], own)
            return
        self._fail_all(batch, error)

    def _fail_all(self, batch: list[_Waiting], error: Exception) -> None:
        for one in batch:
            # Each caller raises an error of its own: a traceback is written into it.
            one.pending.fail(error if len(batch) == 1 else copy(error))
            self._on_end(one.pending)


def result_of(order: Order, accepted: Accepted) -> PlaceResult:
    """What the caller of one order of a batch is told."""
    known = accepted.known.get(order.idempotency_key)
    if known is not None:
        return replay(known)
    return PlaceResult(accepted.new[order.idempotency_key], OrderStatus.QUEUED)


def _traces(batch: list[_Waiting]) -> dict[str, str]:
    """The spans of the callers that have one, by idempotency key."""
    traced = [one.pending for one in batch if one.pending.trace is not None]
    parents = {one.order.idempotency_key: tracing.parent_of(one.trace) for one in traced}
    return {key: parent for key, parent in parents.items() if parent is not None}


def _similar(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SIMILAR


def _may_be_of_one_order(error: Exception) -> bool:
    """Whether the other orders of a transaction might be stored without one of them."""
    # A database before its newest revision has no columns for what one order carries.
    unavailable = isinstance(error, DatabaseUnavailableError) and not isinstance(error, SchemaError)
    return not unavailable or isinstance(error.__cause__, DataError)
