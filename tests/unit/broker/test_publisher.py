"""The publisher's rules, tested without a broker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import pytest

from breakwall.broker.backoff import PAUSE
from breakwall.broker.connections.base import IDS_AT_ONCE
from breakwall.broker.publisher import MAX_CONNECTIONS, Publisher
from breakwall.settings import load_settings
from tests.manual_clock import MonotonicClock


class StubConnection:
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


def out_of_order(_: Sequence[str]) -> None:
    raise ConnectionError("redis://user:secret@broker")


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> StubConnection:
    connection = StubConnection()
    monkeypatch.setattr("breakwall.broker.publisher.new_connection", lambda settings, app: connection)
    return connection


@pytest.fixture
def publisher(connection: StubConnection, clock: MonotonicClock) -> Publisher:
    return Publisher(load_settings({}), clock=clock)


def test_a_failure_is_an_answer_and_not_an_exception(
    publisher: Publisher, connection: StubConnection
) -> None:
    connection.fail = out_of_order
    assert publisher.publish_many(["order-1"]) == 0


def test_after_a_failure_there_is_a_pause(
    publisher: Publisher, connection: StubConnection, clock: MonotonicClock
) -> None:
    connection.fail = out_of_order
    publisher.publish_many(["order-1"])
    connection.fail = lambda ids: None
    assert publisher.publish_many(["order-2"]) == 0
    clock.now += PAUSE
    assert publisher.publish_many(["order-3"]) == 1
    assert connection.sent == ["order-3"]


def test_many_are_sent_in_order_and_counted(publisher: Publisher, connection: StubConnection) -> None:
    ids = [str(number) for number in range(2 * IDS_AT_ONCE + 1)]
    assert publisher.publish_many(iter(ids)) == len(ids)
    assert connection.sent == ids


def test_ids_are_counted_up_to_the_first_failure_and_none_is_tried_after_it(
    publisher: Publisher, connection: StubConnection
) -> None:
    def fail_second(ids: Sequence[str]) -> None:
        if connection.sent:
            raise TimeoutError

    connection.fail = fail_second
    ids = [str(number) for number in range(3 * IDS_AT_ONCE)]
    assert publisher.publish_many(ids) == IDS_AT_ONCE
    assert connection.sent == ids[:IDS_AT_ONCE]


def test_nothing_to_publish_is_nothing_published(publisher: Publisher, connection: StubConnection) -> None:
    assert publisher.publish_many([]) == 0


def test_the_warning_holds_no_secret_and_comes_once_an_outage(
    publisher: Publisher, connection: StubConnection, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    connection.fail = out_of_order
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            publisher.publish_many(["order-1"])
            clock.now += PAUSE
    assert [record.getMessage() for record in caplog.records] == [
        "the broker takes no messages (ConnectionError); orders wait in the database until it does"
    ]


def test_short_outages_are_logged_once_a_minute(
    publisher: Publisher, connection: StubConnection, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    for failing in (True, False) * 40:
        connection.fail = out_of_order if failing else lambda ids: None
        publisher.publish_many(["order-1"])
        clock.now += PAUSE
    assert len(caplog.records) == 3


def test_an_outage_that_starts_within_that_minute_is_logged_after_it(
    publisher: Publisher, connection: StubConnection, clock: MonotonicClock, caplog: pytest.LogCaptureFixture
) -> None:
    for fail in (out_of_order, lambda ids: None, *[out_of_order] * 100):
        connection.fail = fail
        publisher.publish_many(["order-1"])
        clock.now += PAUSE
    assert len(caplog.records) == 2


def test_threads_that_waited_during_a_failure_do_not_try(
    publisher: Publisher, connection: StubConnection
) -> None:
    all_in = threading.Barrier(MAX_CONNECTIONS + 1)
    attempts: list[str] = []

    def hang_then_fail(ids: Sequence[str]) -> None:
        attempts.extend(ids)
        all_in.wait(60)
        raise TimeoutError

    connection.fail = hang_then_fail
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(publisher.publish_many([str(n)])))
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    all_in.wait(60)
    for thread in threads:
        thread.join(60)
    assert answers == [0] * 40
    assert len(attempts) == MAX_CONNECTIONS


def test_closing_drops_the_connections_and_a_later_publish_opens_new_ones(
    publisher: Publisher, connection: StubConnection
) -> None:
    publisher.publish_many(["order-1"])
    publisher.close()
    publisher.close()
    assert connection.closed
    assert publisher.publish_many(["order-2"])


def test_closing_first_publishes_what_was_to_be_published_soon(
    publisher: Publisher, connection: StubConnection
) -> None:
    publisher.publish_soon(["order-1", "order-2"])
    publisher.close()
    assert connection.sent == ["order-1", "order-2"]


def test_publishing_soon_neither_raises_nor_waits_where_the_broker_fails(
    publisher: Publisher, connection: StubConnection, caplog: pytest.LogCaptureFixture
) -> None:
    connection.fail = out_of_order
    publisher.publish_soon(["order-1"])
    publisher.close()
    assert connection.sent == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
