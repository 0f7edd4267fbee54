"""Publishing behind the callers, without a broker."""

from __future__ import annotations

import logging
import threading

import pytest

from breakwall.broker import publish_thread
from breakwall.broker.publish_thread import CAPACITY, PublishThread


class Batches:
    """Takes what is published, and holds the thread up if a test says so."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.began = threading.Event()

    def publish(self, order_ids: list[str]) -> None:
        self.began.set()
        assert self.may_end.wait(60)
        self.taken.append(order_ids)


@pytest.fixture
def batches() -> Batches:
    return Batches()


def test_what_several_callers_give_is_published_together_and_in_order(batches: Batches) -> None:
    behind = PublishThread(batches.publish)
    batches.may_end.clear()
    behind.add(["first"])
    assert batches.began.wait(60)
    for number in range(30):
        behind.add([str(number)])
    batches.may_end.set()
    behind.flush(10)
    assert batches.taken == [["first"], [str(number) for number in range(30)]]


def test_after_everything_was_published_it_begins_again(batches: Batches) -> None:
    behind = PublishThread(batches.publish)
    for _ in range(2):
        behind.add(["order-1"])
        behind.flush(10)
    assert batches.taken == [["order-1"], ["order-1"]]


def test_a_publish_that_hangs_holds_no_caller_up_and_fills_no_memory(batches: Batches) -> None:
    behind = PublishThread(batches.publish)
    batches.may_end.clear()
    behind.add(["first"])
    assert batches.began.wait(60)
    for number in range(CAPACITY // 500 + 2):
        behind.add([f"{number}-{one}" for one in range(500)])
    behind.flush(0.01)
    batches.may_end.set()
    behind.flush(10)
    assert [len(taken) for taken in batches.taken] == [1, CAPACITY]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_error_ends_neither_the_thread_nor_a_caller(
    caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    def fail(order_ids: list[str]) -> None:
        tried.append(order_ids)
        raise error

    tried: list[list[str]] = []
    behind = PublishThread(fail)
    with caplog.at_level(logging.ERROR):
        for order_id in ("order-1", "order-2"):
            behind.add([order_id])
            behind.flush(10)
    assert tried == [["order-1"], ["order-2"]]
    assert [record.getMessage() for record in caplog.records] == [
        "1 orders are stored and could not be published"
    ] * 2


def test_a_process_that_can_start_no_thread_leaves_the_order_to_the_dispatcher(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    behind = PublishThread(batches.publish)
    with monkeypatch.context() as patched:
        patched.setattr(publish_thread.threading, "Thread", NoThread)
        behind.add(["order-1"])
    behind.add(["order-2"])
    behind.flush(10)
    assert batches.taken == [["order-2"]]
