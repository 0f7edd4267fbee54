"""Each order of a message is worked on once, and the message is done after the last."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from breakwall.worker.thread_drain import AHEAD, ThreadDrain


def test_a_message_is_done_once_after_all_its_orders_also_if_one_fails() -> None:
    worked_on: list[str] = []
    done = threading.Event()
    times: list[int] = []

    def work(order_id: str) -> None:
        worked_on.append(order_id)
        if order_id == "b":
            raise RuntimeError

    drain = ThreadDrain(work, ThreadPoolExecutor(2), 2)
    drain.submit(["a", "b", "c"], lambda: (times.append(len(worked_on)), done.set()))
    assert done.wait(5)
    drain.stop()
    assert (sorted(worked_on), times, drain.held) == (["a", "b", "c"], [3], 0)


def test_it_wants_a_few_orders_for_each_thread_and_reports_when_there_is_room_again() -> None:
    go, room = threading.Event(), threading.Event()
    drain = ThreadDrain(lambda order_id: go.wait(5), ThreadPoolExecutor(1), 1, room.set)
    assert drain.wanted == AHEAD
    drain.submit([str(number) for number in range(AHEAD + 1)], lambda: None)
    assert (drain.held, drain.wanted) == (AHEAD + 1, -1)
    assert not room.is_set()
    go.set()
    assert room.wait(5)
    drain.stop()
