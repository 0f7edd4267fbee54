"""Orders that are queued at the same time share a transaction, and each keeps what it is promised."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from breakwall import tracing
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.ledger.traces import find_trace
from breakwall.payments.orders import IdempotencyConflictError, Order
from breakwall.producers.pending import PendingOrder, PlaceResult
from breakwall.producers.queueing import MOST_TOGETHER, STORERS, QueueingOrders
from breakwall.producers.threads import Latch
from tests.contract.site import Site, order
from tests.spans import recording, trace_id


class Queue:
    """Orders that are given before the storers run, so that they share transactions."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.works: list[Callable[[], None]] = []
        self.ended: list[str] = []
        self.batches: list[list[str]] = []
        self.options: list[dict[str, Any]] = []
        self._really = site.ledger.accept_queued
        site.ledger.accept_queued = self._record  # type: ignore[method-assign]
        self.orders = QueueingOrders(
            site.ledger,
            submit=self.works.append,
            publish=site.publisher.publish_soon,
            left=lambda pending: pending.waits_until,
            on_end=lambda pending: self.ended.append(pending.order.idempotency_key),
            jitter=lambda: 0.0,
            gather=lambda: self.gather(),
        )
        self.gather: Callable[[], object] = lambda: None

    def _record(self, batch: list[Order], **options: Any) -> Any:
        self.batches.append([one.idempotency_key for one in batch])
        self.options.append(options)
        return self._really(batch, **options)

    def add(self, one: Order, retry_after: float | None = None, waits: float = 5.0) -> PendingOrder:
        pending = PendingOrder(one, waits_until=waits, accepted=Latch(), finished=Latch())
        self.orders.add(pending, retry_after)
        return pending

    def run(self) -> None:
        while self.works:
            self.works.pop()()


@pytest.fixture
def queue(site: Site) -> Iterator[Queue]:
    yield Queue(site)
    site.producer.close()


def test_orders_that_wait_at_the_same_time_share_a_transaction(queue: Queue) -> None:
    waiting = [queue.add(order(f"cart-{n}")) for n in range(5)]
    queue.run()
    assert queue.batches == [[f"cart-{n}" for n in range(5)]]
    assert [one.leave().status for one in waiting] == ["queued"] * 5
    assert queue.site.publisher.published == [one.leave().order_id for one in waiting]
    assert queue.ended == queue.batches[0]


class TestAfterATransactionOfMany:
    """Their callers have their answers at the same time, and come again one after the other."""

    def test_few_orders_wait_a_moment_for_more(self, queue: Queue) -> None:
        self.store_some(queue)
        queue.add(order("first"))
        queue.gather = lambda: queue.add(order("second"))
        queue.run()
        assert queue.batches[1:] == [["first", "second"]]

    @pytest.mark.parametrize("number", [0, 2])
    def test_half_as_many_do_not_wait_and_nobody_waits_for_the_first(self, queue: Queue, number: int) -> None:
        self.store_some(queue)
        queue.gather = lambda: pytest.fail("it waited")
        for n in range(number):
            queue.add(order(f"next-{n}"))
        queue.run()
        assert len(queue.batches) == (2 if number else 1)

    def test_one_order_after_another_waits_once(self, queue: Queue) -> None:
        self.store_some(queue)
        waits: list[None] = []
        queue.gather = lambda: waits.append(None)
        for n in range(3):
            queue.add(order(f"next-{n}"))
            queue.run()
        assert len(waits) == 1

    def store_some(self, queue: Queue) -> None:
        for n in range(4):
            queue.add(order(f"cart-{n}"))
        queue.run()


def test_so_many_share_one_at_most(queue: Queue) -> None:
    for n in range(MOST_TOGETHER + 1):
        queue.add(order(f"cart-{n}"))
    queue.run()
    assert [len(batch) for batch in queue.batches] == [MOST_TOGETHER, 1]


def test_so_many_threads_store_at_most(queue: Queue) -> None:
    for n in range(10):
        queue.add(order(f"cart-{n}"))
    assert len(queue.works) == STORERS
    queue.run()
    queue.add(order())
    assert len(queue.works) == 1


def test_the_same_order_twice_is_accepted_once_and_both_are_told(queue: Queue) -> None:
    first, again = queue.add(order()), queue.add(order())
    queue.run()
    assert (first.leave().replayed, again.leave().replayed) == (False, True)
    assert first.leave().order_id == again.leave().order_id
    assert len(queue.site.publisher.published) == 1


def test_each_order_of_a_transaction_keeps_the_trace_of_its_own_caller(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(monkeypatch) as spans:
        waiting = [queue.add(order(f"cart-{n}")) for n in range(3)]
        for one in waiting[:2]:
            with tracing.span("request"):
                one.trace = tracing.carry()
        queue.run()
    assert len(queue.batches) == 1
    first, second, third = (find_trace(queue.site.database, one.leave().order_id) for one in waiting)
    assert first is not None
    assert second is not None
    kept = [int(parent.split("-")[1], 16) for parent in (first, second)]
    assert kept == [trace_id(span) for span in spans.named("breakwall.request")]
    assert third is None


def test_an_order_that_cannot_be_accepted_keeps_no_other_from_it(queue: Queue) -> None:
    queue.site.producer.enqueue([order("known")])
    good = [queue.add(order("cart-1")), queue.add(order("cart-2"))]
    conflict = queue.add(order("known", amount=1))
    good.append(queue.add(order("cart-3")))
    queue.run()
    assert [one.leave().status for one in good] == ["queued"] * 3
    with pytest.raises(IdempotencyConflictError):
        conflict.leave()


def test_a_text_that_the_database_cannot_hold_keeps_no_other_from_it(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is that of a database that is not available; the driver's cause tells the two apart."""
    from sqlalchemy.exc import DataError

    really = queue._really

    def refuse(batch: list[Order], **options: Any) -> Any:
        if any(one.idempotency_key == "odd" for one in batch):
            raise DatabaseUnavailableError("cannot hold a text") from DataError("", {}, Exception())
        return really(batch, **options)

    queue._really = refuse  # type: ignore[assignment]
    good, odd = queue.add(order()), queue.add(order("odd"))
    queue.run()
    assert good.leave().status == "queued"
    with pytest.raises(DatabaseUnavailableError, match="cannot hold a text"):
        odd.leave()


def test_a_database_that_is_down_is_asked_once_and_each_caller_gets_an_error_of_its_own(queue: Queue) -> None:
    queue.site.ledger.database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
    waiting = [queue.add(order(f"cart-{n}")) for n in range(3)]
    queue.run()
    errors = []
    for one in waiting:
        with pytest.raises(DatabaseUnavailableError, match="nothing was changed") as caught:
            one.leave()
        errors.append(caught.value)
    assert len({id(error) for error in errors}) == 3
    assert len(queue.batches) == 1
    assert sorted(queue.ended) == ["cart-0", "cart-1", "cart-2"]


def test_an_order_whose_caller_has_left_is_not_accepted(queue: Queue) -> None:
    gone, here = queue.add(order("gone")), queue.add(order("here"))
    gone.caller_left = True
    queue.run()
    assert queue.batches == [["here"]]
    assert here.leave().status == "queued"
    assert sorted(queue.ended) == ["gone", "here"]


def test_an_order_whose_caller_leaves_within_the_transaction_is_not_accepted(queue: Queue) -> None:
    gone, here = queue.add(order("gone")), queue.add(order("here"))
    really = queue.site.ledger._insert_queued

    def leave_meanwhile(*arguments: Any) -> Any:
        with pytest.raises(DatabaseUnavailableError, match="not accepted"):
            gone.leave()
        return really(*arguments)

    queue.site.ledger._insert_queued = leave_meanwhile  # type: ignore[method-assign]
    queue.run()
    assert here.leave().status == "queued"
    assert [one.idempotency_key for one in list_orders(queue.site.database)] == ["here"]
    assert queue.site.publisher.published == [here.leave().order_id]
    assert sorted(queue.ended) == ["gone", "here"]


def test_what_callers_leave_while_the_database_hangs_does_not_pile_up(queue: Queue) -> None:
    for number in range(10):
        queue.add(order(f"cart-{number}")).caller_left = True
    assert len(queue.orders._waiting) == 1
    assert queue.ended == [f"cart-{number}" for number in range(9)]


def test_orders_are_due_when_the_circuit_says_and_those_that_it_was_not_asked_about_at_once(
    queue: Queue,
) -> None:
    for key, retry_after in (("a", 30.0), ("b", 29.6), ("c", None), ("d", None), ("e", 5.0), ("f", 0.5)):
        queue.add(order(key), retry_after)
    queue.run()
    assert queue.batches == [["a", "b"], ["c", "d"], ["e"], ["f"]]
    assert [(one["delay"], one["deferrals"]) for one in queue.options] == [(30, 1), (0, 0), (5, 1), (0.5, 1)]


def test_only_orders_that_are_due_at_once_are_published(queue: Queue) -> None:
    queue.add(order("later"), 30.0)
    at_once = queue.add(order("at-once"))
    queue.run()
    assert queue.site.publisher.published == [at_once.leave().order_id]


def test_the_lock_budget_is_that_of_the_caller_who_waits_longest(queue: Queue) -> None:
    for key, waits in (("a", 0.5), ("b", 3.0)):
        queue.add(order(key), waits=waits)
    queue.run()
    assert queue.options[0]["lock_budget"]._left <= 3.0
    assert queue.options[0]["lock_budget"]._left > 0.5


class TestWithoutThreads:
    def test_a_caller_that_may_block_stores_its_order_itself(self, queue: Queue) -> None:
        queue.orders._submit = _no_thread
        assert queue.add(order()).leave().status == "queued"

    def test_an_event_loop_is_not_blocked_but_told_to_place_it_again(self, queue: Queue) -> None:
        queue.orders._submit = _no_thread
        pending = PendingOrder(order(), waits_until=5.0, accepted=Latch(), finished=Latch(), may_block=False)
        queue.orders.add(pending)
        with pytest.raises(DatabaseUnavailableError, match="Nothing was accepted") as caught:
            pending.leave()
        assert caught.value.lack == "threads"
        assert (queue.batches, queue.ended) == ([], ["cart-1"])

    def test_also_if_it_was_refused_by_the_circuit_in_the_loop_itself(self, queue: Queue) -> None:
        queue.orders._submit = _no_thread
        pending = PendingOrder(order(), waits_until=5.0, accepted=Latch(), finished=Latch(), may_block=False)
        queue.orders.add(pending, 30.0)
        assert (queue.batches, queue.ended) == ([], ["cart-1"])

    def test_a_thread_of_the_producer_that_may_wait_stores_it_for_an_event_loop(self, queue: Queue) -> None:
        queue.orders._submit = _no_thread
        pending = PendingOrder(order(), waits_until=5.0, accepted=Latch(), finished=Latch(), may_block=False)
        queue.orders.add(pending, 30.0, may_wait=True)
        assert pending.leave().status == "queued"

    def test_a_storer_that_runs_takes_it(self, queue: Queue) -> None:
        queue.add(order("first"))
        queue.orders._submit = _no_thread
        pending = PendingOrder(order(), waits_until=5.0, accepted=Latch(), finished=Latch(), may_block=False)
        queue.orders.add(pending)
        queue.run()
        assert pending.leave().status == "queued"

    def test_a_caller_stores_the_others_orders_only_while_it_waits(self, queue: Queue) -> None:
        others: list[PendingOrder] = []

        def comes_meanwhile(batch: list[Order], **options: Any) -> Any:
            if len(others) < 10:
                others.append(queue.add(order(f"other-{len(others)}")))
            return really(batch, **options)

        really, queue._really = queue._really, comes_meanwhile  # type: ignore[assignment]
        queue.orders._left = lambda pending: 3.0 - len(queue.batches)
        _keep_a_storer_busy(queue)
        assert queue.add(order()).leave().status == "queued"
        assert len(queue.batches) == 3, "each takes a second"
        queue.add(order("next"))
        assert others[2].leave().status == "queued"

    def test_a_caller_waits_for_locks_no_longer_than_it_wants_to(self, queue: Queue) -> None:
        _keep_a_storer_busy(queue)
        queue.add(order(), waits=0.5)
        assert queue.batches == [["first", "cart-1"]]
        assert queue.options[0]["lock_budget"]._left <= 0.5


def _keep_a_storer_busy(queue: Queue) -> None:
    """There is one storer, and no thread for another one."""
    queue.add(order("first"))
    queue.orders._submit = _no_thread


def _no_thread(work: Callable[[], None]) -> None:
    raise RuntimeError("can't start new thread")


def test_many_callers_at_once_are_all_told_the_truth(site: Site) -> None:
    site.open_circuit()
    told: dict[str, PlaceResult] = {}

    def place(number: int) -> None:
        for turn in range(10):
            key = f"cart-{number}-{turn}"
            told[key] = site.producer.place(order(key), wait=30)

    threads = [threading.Thread(target=place, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: result.order_id for key, result in told.items()} == {key: site.get(key).id for key in told}
    assert len(told) == 160
