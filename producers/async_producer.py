"""Places orders from an event loop, which is never blocked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from breakwall import tracing
from breakwall.host.concurrency import check_host
from breakwall.payments.db.errors import exhaustion_as_unavailable
from breakwall.payments.ledger.queries import Naming
from breakwall.payments.orders import Order, StoredOrder
from breakwall.producers.pending import COMMIT_GRACE, PendingOrder, PlaceResult, check_wait
from breakwall.producers.polling import Polling
from breakwall.producers.producer import OrderProducer, describe, log_placed
from breakwall.producers.separate_results import OrderResult
from breakwall.producers.threads import ThreadPool
from breakwall.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context

T = TypeVar("T")
Start = Callable[[PendingOrder], None]

# Orders that are placed wait for none of these threads, and who only reads waits for no batch.
BATCH_THREADS = 4  # For `enqueue`, `enqueue_each` and `close`.
READ_THREADS = 4  # For `get` and `wait_for`.


class AsyncOrderProducer:
    """`OrderProducer` for an event loop. One per process is enough; any number of tasks may use it.

    Its threads are those of the ``producer`` that it is made of. ``async with`` closes it at the end.
    """

    def __init__(self, producer: OrderProducer) -> None:
        self._producer = producer
        self._batches = ThreadPool(BATCH_THREADS, "breakwall-enqueueing")
        self._reads = ThreadPool(READ_THREADS, "breakwall-reading")

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """As `OrderProducer.from_settings`. It blocks for some tenths of a second: call it when the process starts."""
        return cls(OrderProducer.from_settings(settings))

    async def place(
        self, order: Order, wait: float | None = None, *, leave: asyncio.Future[None] | None = None
    ) -> PlaceResult:
        """Accept one order and, if the circuit permits, charge it now; as `OrderProducer.place`.

        When ``leave`` is done, it returns as if ``wait`` were over: for an application that has to stop.
        If it is cancelled, the order goes its way: either it is accepted and finished, or it is never accepted.
        Place it again with the same key to learn which: if it had ended just before, no outcome is sent for that.
        """
        return await self._accept("place", order, wait, self._producer.placing.start, leave)

    async def enqueue_one(self, order: Order, wait: float | None = None) -> PlaceResult:
        """Accept one order for the worker, without charging it here.

        Those that come at the same time share a transaction, and it returns within ``wait`` and half a second, as
        `place`. Raises as `place`, and may be cancelled as it.
        """
        return await self._accept("enqueue", order, wait, self._producer.placing.start_queued)

    async def _accept(
        self,
        name: str,
        order: Order,
        wait: float | None,
        start: Start,
        leave: asyncio.Future[None] | None = None,
    ) -> PlaceResult:
        check_host()
        seconds = self._producer.seconds_to_wait(wait)
        if tracing.is_on():
            with tracing.span(name) as span:
                result = await self._place(order, seconds, start, leave, tracing.carry())
                span.set(**describe(result))
        else:
            result = await self._place(order, seconds, start, leave)
        log_placed(order, result)
        return result

    async def _place(
        self,
        order: Order,
        seconds: float,
        start: Start,
        leave: asyncio.Future[None] | None,
        trace: Context | None = None,
    ) -> PlaceResult:
        accepted, finished = LoopSignal(), LoopSignal()
        placing = self._producer.placing
        pending = placing.pending(order, seconds, accepted, finished, may_block=False)
        pending.trace = trace
        try:
            start(pending)
            if not await finished.wait(seconds, leave):
                await accepted.wait(COMMIT_GRACE)
                if pending.time_is_over():
                    await finished.wait(placing.grace_left(pending))
        except BaseException:
            placing.abandon(pending)
            raise
        return pending.leave()

    async def enqueue(self, orders: Iterable[Order]) -> list[PlaceResult]:
        """As `OrderProducer.enqueue`. If it is cancelled, any number of the batches are accepted."""
        listed = list(orders)
        return await self._in_thread(self._batches, lambda: self._producer.enqueue(listed))

    async def enqueue_each(self, orders: Iterable[Order]) -> list[OrderResult]:
        """As `OrderProducer.enqueue_each`. If it is cancelled, all that is not refused is accepted, or nothing."""
        listed = list(orders)
        return await self._in_thread(self._batches, lambda: self._producer.enqueue_each(listed))

    async def get(self, name: str, by: Naming = Naming.ANY) -> StoredOrder:
        """As `OrderProducer.get`."""
        return await self._in_thread(self._reads, lambda: self._producer.get(name, by))

    async def wait_for(self, name: str, timeout: float, by: Naming = Naming.ANY) -> StoredOrder:
        """As `OrderProducer.wait_for`. It may be cancelled at any time."""
        polling = Polling(check_wait(timeout, "timeout"), time.monotonic)
        order = await self.get(name, by)
        while (pause := polling.next_pause(order)) is not None:
            await asyncio.sleep(pause)
            order = await self.get(order.id, Naming.ID)
        return order

    @property
    def queued_because_full(self) -> int:
        """As `OrderProducer.queued_because_full`."""
        return self._producer.queued_because_full

    async def close(self) -> None:
        """As `OrderProducer.close`."""
        await self._in_thread(self._batches, self._producer.close)
        self._batches.close()
        self._reads.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _in_thread(self, threads: ThreadPool, work: Callable[[], T]) -> T:
        # Not the loop's own executor: it belongs to the application, which may use all of it.
        check_host()
        with exhaustion_as_unavailable():
            done = threads.call(partial(_run, work, tracing.carry()))
        return await asyncio.wrap_future(done)


class LoopSignal:
    """Set once by any thread; a task of the loop in which it was made waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Let the task continue. Without effect if its loop is closed."""
        # In this sequence, and the other way round in `wait`: at least one of the two sees the other.
        self._is_set = True
        if self._waiter is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    async def wait(self, seconds: float, leave: asyncio.Future[None] | None = None) -> bool:
        """Wait at most so long, or until ``leave`` is done; returns whether it is set."""
        self._waiter = self._loop.create_future()
        if self._is_set or (leave is not None and leave.done()):
            return self._is_set
        timer = self._loop.call_later(seconds, self._wake)
        if leave is not None:
            leave.add_done_callback(self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            if leave is not None:
                leave.remove_done_callback(self._wake)
        return self._is_set

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _run(work: Callable[[], T], trace: Context | None) -> T:
    with tracing.within(trace):
        return work()
