"""The publisher's own rules, with lines that need no broker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest

from breakwall.broker.publishing import publisher as module
from breakwall.broker.publishing.backoff import PAUSE
from breakwall.broker.publishing.publisher import LINES, MESSAGES_AT_ONCE, Publisher
from breakwall.settings import load_settings


class StubLine:
    """Takes every message, unless told to fail."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.fail: Callable[[Sequence[str]], None] = lambda ids: None
        self.closed = False

    def send(self, order_ids: Sequence[str]) -> None:
        self.fail(order_ids)
        self.sent += order_ids

    def close(self) -> None:
        self.closed = True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def out_of_order(_: Sequence[str]) -> None:
    raise ConnectionError("redis://user:secret@broker")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> StubLine:
    line = StubLine()
    monkeypatch.setattr(module, "new_line", lambda settings, app: line)
    return line


@pytest.fixture
def publisher(line: StubLine, clock: Clock) -> Publisher:
    return Publisher(load_settings({}), clock=clock)


def test_a_failure_is_an_answer_and_not_an_exception(publisher: Publisher, line: StubLine) -> None:
    line.fail = out_of_order
    assert publisher.publish("order-1") is False


def test_after_a_failure_the_broker_is_left_alone_for_a_moment(
    publisher: Publisher, line: StubLine, clock: Clock
) -> None:
    line.fail = out_of_order
    publisher.publish("order-1")
    line.fail = lambda ids: None
    assert publisher.publish("order-2") is False
    clock.now += PAUSE
    assert publisher.publish("order-3") is True
    assert line.sent == ["order-3"]


def test_many_are_sent_in_order_and_counted(publisher: Publisher, line: StubLine) -> None:
    ids = [str(number) for number in range(2 * MESSAGES_AT_ONCE + 1)]
    assert publisher.publish_many(iter(ids)) == len(ids)
    assert line.sent == ids


def test_the_count_covers_what_came_before_the_first_failure_and_nothing_after_it_is_tried(
    publisher: Publisher, line: StubLine
) -> None:
    def fail_second(ids: Sequence[str]) -> None:
        if line.sent:
            raise TimeoutError

    line.fail = fail_second
    ids = [str(number) for number in range(3 * MESSAGES_AT_ONCE)]
    assert publisher.publish_many(ids) == MESSAGES_AT_ONCE
    assert line.sent == ids[:MESSAGES_AT_ONCE]


def test_nothing_to_publish_is_nothing_published(publisher: Publisher, line: StubLine) -> None:
    assert publisher.publish_many([]) == 0


def test_the_warning_tells_no_secret_and_comes_once_an_outage(
    publisher: Publisher, line: StubLine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    line.fail = out_of_order
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            publisher.publish("order-1")
            clock.now += PAUSE
    assert [record.getMessage() for record in caplog.records] == [
        "the broker takes no messages (ConnectionError); orders wait in the database until it does"
    ]


def test_a_broker_that_comes_and_goes_is_warned_of_once_a_minute(
    publisher: Publisher, line: StubLine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for failing in (True, False) * 40:
        line.fail = out_of_order if failing else lambda ids: None
        publisher.publish("order-1")
        clock.now += PAUSE
    assert len(caplog.records) == 3


def test_an_outage_that_begins_in_that_minute_is_told_after_it(
    publisher: Publisher, line: StubLine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for fail in (out_of_order, lambda ids: None, *[out_of_order] * 100):
        line.fail = fail
        publisher.publish("order-1")
        clock.now += PAUSE
    assert len(caplog.records) == 2


def test_threads_that_waited_behind_a_failure_do_not_try_themselves(
    publisher: Publisher, line: StubLine
) -> None:
    all_in = threading.Barrier(LINES + 1)
    attempts: list[str] = []

    def hang_then_fail(ids: Sequence[str]) -> None:
        attempts.extend(ids)
        all_in.wait(5)
        raise TimeoutError

    line.fail = hang_then_fail
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(publisher.publish(str(n)))) for n in range(40)
    ]
    for thread in threads:
        thread.start()
    all_in.wait(5)
    for thread in threads:
        thread.join(5)
    assert answers == [False] * 40
    assert len(attempts) == LINES


def test_closing_drops_the_connections_and_a_later_publish_opens_new_ones(
    publisher: Publisher, line: StubLine
) -> None:
    publisher.publish("order-1")
    publisher.close()
    publisher.close()
    assert line.closed
    assert publisher.publish("order-2")
