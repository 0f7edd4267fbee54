"""The threads of the drain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.worker.drain.drain import HELD_PER_SLOT, Drain
from breakwall.worker.drain.jobs import Event, Finished, Job, Retry, Stop, Submitted
from breakwall.worker.drain.messages import Messages

TIMEOUT = 20.0


class PlainExchange:
    """Gives every order to a slot at once."""

    def __init__(self, inbox: SimpleQueue[Event], jobs: SimpleQueue[Job | None]) -> None:
        self.inbox, self.jobs = inbox, jobs
        self.slots = 0
        self.messages = Messages()
        self.busy = 0
        self.stopping = False

    @property
    def is_over(self) -> bool:
        return self.stopping and not self.busy

    def run_once(self) -> None:
        try:
            event = self.inbox.get(True, 0.05)
        except Empty:
            return
        if isinstance(event, Submitted):
            for order_id in self.messages.add(event.order_ids, event.done):
                self.busy += 1
                self.jobs.put(Retry(order_id))
        elif isinstance(event, Finished):
            self.busy -= 1
            self.messages.finish(event.order_id)
        elif isinstance(event, Stop):
            self.stopping = True


class Opened:
    """A drain whose jobs do what ``work`` says."""

    def __init__(self, slots: int, work: Callable[[str], object] = lambda order_id: None) -> None:
        inbox: SimpleQueue[Event] = SimpleQueue()
        jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.exchange = PlainExchange(inbox, jobs)
        self.exhausted: list[str | None] = []
        self.work = work
        slot: Any = self
        exchange: Any = self.exchange
        exhaustion = ResourceExhaustion(lambda: 0.0, on_change=self.exhausted.append)
        self.drain = Drain(exchange, slot, inbox=inbox, jobs=jobs, slots=slots, exhaustion=exhaustion)

    def run(self, job: Any) -> Finished:
        self.work(job.order_id)
        return Finished(job.order_id)

    def finish(self, *order_ids: str) -> None:
        """Submit a message and wait until it is done."""
        done = threading.Event()
        self.drain.submit(order_ids, done.set)
        assert done.wait(TIMEOUT)


def test_so_many_orders_are_worked_on_at_once_as_there_are_slots() -> None:
    together = threading.Barrier(4)
    opened = Opened(4, lambda order_id: together.wait(TIMEOUT))
    opened.finish("a", "b", "c", "d")
    opened.drain.stop()


def test_it_wants_a_few_orders_for_each_slot_and_fewer_while_it_holds_some() -> None:
    go = threading.Event()
    opened = Opened(2, lambda order_id: go.wait(TIMEOUT))
    drain, done = opened.drain, threading.Event()
    assert (drain.held, drain.wanted) == (0, 2 * HELD_PER_SLOT)
    drain.submit(["a", "b", "c"], done.set)
    assert (drain.held, drain.wanted) == (3, 2 * HELD_PER_SLOT - 3)
    go.set()
    assert done.wait(TIMEOUT)
    assert drain.held == 0
    drain.stop()


def test_its_end_waits_for_the_calls_in_hand() -> None:
    begun, go = threading.Event(), threading.Event()

    def work(order_id: str) -> None:
        begun.set()
        go.wait(TIMEOUT)

    opened = Opened(1, work)
    done = threading.Event()
    opened.drain.submit(["a"], done.set)
    assert begun.wait(TIMEOUT)
    ends = threading.Thread(target=opened.drain.stop)
    ends.start()
    ends.join(0.1)
    assert ends.is_alive()
    go.set()
    ends.join(TIMEOUT)
    assert done.is_set()


def test_after_its_end_a_message_is_done_at_once_and_nothing_begins() -> None:
    worked_on: list[str] = []
    opened = Opened(1, worked_on.append)
    opened.drain.stop()
    opened.finish("a")
    opened.drain.stop()
    assert worked_on == []


def test_without_threads_for_all_slots_it_works_with_fewer_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start
    few = threading.Event()
    few.set()

    def limited(thread: threading.Thread) -> None:
        if few.is_set() and thread.name.startswith("breakwall-slot-") and thread.name != "breakwall-slot-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    opened = Opened(3)
    opened.finish("a", "b", "c")
    assert (opened.exchange.slots, opened.exhausted[:1]) == (1, ["threads"])
    few.clear()
    opened.finish("d")
    opened.finish("e")
    assert opened.exchange.slots == 3
    opened.drain.stop()


def test_an_exchange_that_fails_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    opened = Opened(1)
    run_once = opened.exchange.run_once
    failures = iter([RuntimeError("a bug")])

    def fail_once() -> None:
        if error := next(failures, None):
            raise error
        run_once()

    opened.exchange.run_once = fail_once  # type: ignore[method-assign]
    opened.finish("a")
    opened.drain.stop()
    assert "an exchange failed" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
def test_an_exit_or_a_cancellation_that_a_gateway_raises_ends_no_slot(error: type[BaseException]) -> None:
    def work(order_id: str) -> None:
        if order_id == "bad":
            raise error

    opened = Opened(1, work)
    opened.finish("bad")
    opened.finish("good")
    opened.drain.stop()
