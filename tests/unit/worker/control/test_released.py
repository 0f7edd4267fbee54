"""Released orders are worked on one by one while the drain is paused, whatever fails."""

from __future__ import annotations

import threading

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker.control.released import ReleasedOrders


class Site:
    """Orders that are due, and what was worked on."""

    def __init__(self, *due: str, paused: bool = True) -> None:
        self.orders = list(due)
        self.paused = paused
        self.failures: list[Exception] = []
        self.reads = 0
        self.worked_on: list[str] = []
        self.done = threading.Event()
        self.released = ReleasedOrders(lambda: self.paused, self.next_due, self.work_on, interval=0.001)

    def next_due(self) -> str | None:
        self.reads += 1
        return self.orders[0] if self.orders else None

    def work_on(self, order_id: str) -> None:
        if self.failures:
            raise self.failures.pop()
        self.worked_on.append(order_id)
        self.orders.remove(order_id)
        if not self.orders:
            self.done.set()


def test_each_is_worked_on() -> None:
    site = Site("o1", "o2")
    assert site.released.run_once() == 2
    assert site.worked_on == ["o1", "o2"]


def test_without_a_pause_nothing_is_read() -> None:
    site = Site("o1", paused=False)
    assert site.released.run_once() == 0
    assert site.reads == 0


def test_after_the_end_of_the_pause_the_rest_is_left_to_the_dispatcher() -> None:
    site = Site("o1", "o2")

    def work_and_resume(order_id: str) -> None:
        site.work_on(order_id)
        site.paused = False

    released = ReleasedOrders(lambda: site.paused, site.next_due, work_and_resume)
    assert released.run_once() == 1


def test_an_order_that_stays_due_is_tried_again_only_in_the_next_run() -> None:
    site = Site("o1")
    tried: list[str] = []
    released = ReleasedOrders(lambda: True, site.next_due, tried.append)
    assert [released.run_once(), released.run_once()] == [1, 1]
    assert tried == ["o1", "o1"]


def test_a_stopped_worker_begins_no_other_order() -> None:
    site = Site("o1", "o2")
    site.released.ask_to_stop()
    assert site.released.run_once() == 0


@pytest.mark.parametrize("fails", [DatabaseUnavailableError("gone"), RuntimeError("a bug")])
def test_a_failure_ends_only_its_run(fails: Exception) -> None:
    site = Site("o1", "o2")
    site.failures.append(fails)
    site.released.start()
    assert site.done.wait(10.0)
    site.released.ask_to_stop()
    site.released.join(10.0)
    assert site.worked_on == ["o1", "o2"]
