"""Placing orders from an event loop: it is never blocked, and a cancelled task leaves a sound order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.orders import IdempotencyConflictError
from breakwall.producers import AsyncOrderProducer
from breakwall.producers.async_producer import BATCH_THREADS, LoopSignal
from breakwall.producers.queueing import STORERS
from tests.contract.site import Site, order
from tests.gateway import PAID
from tests.waiting import wait_until

T = TypeVar("T")


class Held:
    """The service holds its answers, or the database a transaction, until the test lets it go on."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = threading.Event()

    def wait(self) -> None:
        self.calls += 1
        assert self.go_on.wait(30)


@pytest.fixture
def held(site: Site) -> Iterator[Held]:
    held = Held()

    def charge(request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        held.wait()
        return PAID

    site.gateway.charge = charge  # type: ignore[method-assign]
    yield held
    held.go_on.set()
    site.producer.close()


def run(site: Site, work: Callable[[AsyncOrderProducer], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(work(AsyncOrderProducer(site.producer)))


async def until(condition: Callable[[], object]) -> None:
    """As `wait_until`, without blocking the loop."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


def test_an_order_is_charged(site: Site) -> None:
    site.gateway.answers.append(PAID)
    placed = run(site, lambda producer: producer.place(order(), 20))
    assert (placed.status, placed.charge_id, site.get().status) == ("paid", "ch_1", "paid")


def test_an_order_is_queued_while_the_circuit_is_open(site: Site) -> None:
    site.open_circuit()
    assert run(site, lambda producer: producer.place(order(), 20)).status == "queued"


def test_an_error_is_raised_where_the_order_is_awaited(site: Site) -> None:
    site.producer.enqueue([order()])

    async def conflict(producer: AsyncOrderProducer) -> None:
        with pytest.raises(IdempotencyConflictError):
            await producer.place(order(amount=1), 20)
        with pytest.raises(ValueError, match="wait should be"):
            await producer.place(order(), -1)

    run(site, conflict)


def test_while_the_service_hangs_many_orders_wait_and_the_loop_goes_on(site: Site, held: Held) -> None:
    async def work(producer: AsyncOrderProducer) -> list[str]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        turning = asyncio.ensure_future(turn())
        placed = await asyncio.gather(*(producer.place(order(f"cart-{n}"), 4.0) for n in range(60)))
        turning.cancel()
        assert turns > 50
        assert producer.queued_because_full == 28
        return sorted(result.status.value for result in placed)

    assert run(site, work) == ["in_flight"] * 32 + ["queued"] * 28


def test_a_task_that_is_cancelled_during_the_charge_leaves_an_order_that_is_finished(
    site: Site, held: Held
) -> None:
    async def work(producer: AsyncOrderProducer) -> None:
        placing = asyncio.ensure_future(producer.place(order(), 20))
        await until(lambda: held.calls)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing

    run(site, work)
    held.go_on.set()
    wait_until(lambda: site.get().status == "paid")


def test_a_task_that_is_cancelled_before_the_transaction_leaves_no_order(
    site: Site, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.open_circuit()
    really = site.ledger.accept_queued

    def hang(*arguments: Any, **options: Any) -> Any:
        held.wait()
        return really(*arguments, **options)

    monkeypatch.setattr(site.ledger, "accept_queued", hang)

    async def work(producer: AsyncOrderProducer) -> None:
        first = asyncio.ensure_future(producer.place(order("first"), 20))
        await until(lambda: held.calls == 1)
        second = asyncio.ensure_future(producer.place(order("second"), 20))
        await until(lambda: held.calls == 2)
        late = asyncio.ensure_future(producer.place(order("late"), 20))
        await until(lambda: len(producer._producer.placing._queueing._waiting) == 1)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        held.go_on.set()
        assert [(await one).status for one in (first, second)] == ["queued", "queued"]
        with pytest.raises(OrderNotFoundError):
            await producer.get("late")

    run(site, work)


def test_a_loop_that_ends_before_the_charge_does_not_harm_it(site: Site, held: Held) -> None:
    async def work(producer: AsyncOrderProducer) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(producer.place(order(), 20), 0.2)

    run(site, work)
    held.go_on.set()
    wait_until(lambda: site.get().status == "paid")


def test_without_threads_the_loop_is_told_and_not_blocked(
    site: Site, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work(producer: AsyncOrderProducer) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            for call in (producer.place(order(), 20), producer.get("cart-1")):
                with pytest.raises(DatabaseUnavailableError) as caught:
                    await _any(call)
                assert caught.value.lack == "threads"
        with pytest.raises(OrderNotFoundError):
            await producer.get("cart-1")

    run(site, work)


async def _any(call: Awaitable[object]) -> object:
    return await call


def test_while_batches_hang_orders_are_read_and_the_loop_goes_on(
    site: Site, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = site.producer.enqueue([order("known")])[0].order_id
    monkeypatch.setattr(site.producer, "enqueue", lambda _: held.wait())

    async def work(producer: AsyncOrderProducer) -> str:
        batches = [asyncio.ensure_future(producer.enqueue([])) for _ in range(BATCH_THREADS)]
        await until(lambda: held.calls == BATCH_THREADS)
        found = await asyncio.wait_for(producer.get("known"), 30)
        held.go_on.set()
        await asyncio.gather(*batches)
        return found.id

    assert run(site, work) == known


class TestOneOrderForTheQueue:
    def test_it_is_queued_and_published_and_not_charged(self, site: Site) -> None:
        assert run(site, lambda producer: producer.enqueue_one(order())).status == "queued"
        assert not site.gateway.charged
        wait_until(lambda: site.publisher.published)

    def test_a_repeated_one_is_the_first(self, site: Site) -> None:
        first = site.producer.enqueue([order()])[0]
        again = run(site, lambda producer: producer.enqueue_one(order()))
        assert (again.order_id, again.replayed) == (first.order_id, True)

    def test_those_that_come_at_the_same_time_share_a_transaction(
        self, site: Site, held: Held, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batches: list[int] = []
        really = site.ledger.accept_queued

        def hang(orders: list[Any], **options: Any) -> Any:
            batches.append(len(orders))
            held.wait()
            return really(orders, **options)

        monkeypatch.setattr(site.ledger, "accept_queued", hang)

        async def work(producer: AsyncOrderProducer) -> None:
            placed = [asyncio.ensure_future(producer.enqueue_one(order(f"cart-{n}"), 20)) for n in range(12)]
            await until(lambda: held.calls == STORERS)
            held.go_on.set()
            await asyncio.gather(*placed)

        run(site, work)
        assert (sum(batches), len(batches) <= STORERS + 2) == (12, True)

    def test_it_is_not_accepted_if_the_database_hangs_longer_than_its_caller_waits(
        self, site: Site, held: Held, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.ledger, "accept_queued", lambda *_, **__: held.wait())
        with pytest.raises(DatabaseUnavailableError):
            run(site, lambda producer: producer.enqueue_one(order(), 0.1))


def test_enqueue_and_get_are_the_producers(site: Site) -> None:
    async def work(producer: AsyncOrderProducer) -> None:
        results = await producer.enqueue(order(f"cart-{n}") for n in range(3))
        assert [result.status for result in results] == ["queued"] * 3
        assert (await producer.get("cart-2")).id == results[2].order_id

    run(site, work)


def test_waiting_for_an_order_is_the_producers(site: Site, held: Held) -> None:
    """The loop goes on meanwhile."""

    async def work(producer: AsyncOrderProducer) -> tuple[str, str]:
        await producer.place(order(), wait=0)
        in_flight = await producer.wait_for("cart-1", 0.0)
        waiting = asyncio.create_task(producer.wait_for("cart-1", 30.0))
        await asyncio.sleep(0)
        held.go_on.set()
        return in_flight.status, (await waiting).status

    assert run(site, work) == ("in_flight", "paid")


def test_leaving_the_block_waits_for_the_charges_and_closes(site: Site, held: Held) -> None:
    async def work(producer: AsyncOrderProducer) -> None:
        async with producer:
            assert (await producer.place(order(), 0.05)).status == "in_flight"
            asyncio.get_running_loop().call_later(0.2, held.go_on.set)

    run(site, work)
    assert site.get().status == "paid"


def test_a_signal_set_by_a_thread_wakes_the_task_and_a_closed_loop_is_no_error() -> None:
    async def wait() -> LoopSignal:
        signal = LoopSignal()
        assert not await signal.wait(0.01)
        threading.Timer(0.05, signal.set).start()
        began = time.monotonic()
        assert await signal.wait(30)
        assert time.monotonic() - began < 20
        signal.set()
        assert await signal.wait(0)
        return signal

    asyncio.run(wait()).set()


def test_an_exit_in_a_thread_is_raised_where_it_is_awaited(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ExitError(BaseException):
        """As one that a driver raises."""

    def fail(*arguments: object) -> None:
        raise ExitError

    monkeypatch.setattr(site.producer, "get", fail)

    async def work(producer: AsyncOrderProducer) -> None:
        with pytest.raises(ExitError):
            await asyncio.wait_for(producer.get("cart-1"), 30)

    run(site, work)
