"""How the backlog has changed in the last minute, from its samples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from breakwall.worker.background.heartbeat import Heartbeat
from tests.contract.monitor.history.history_site import HistorySite


@pytest.fixture
def history(migrated_url: str) -> Iterator[HistorySite]:
    one = HistorySite(migrated_url)
    yield one
    one.producer.close()


def test_without_samples_nothing_is_known(history: HistorySite) -> None:
    seen = history.monitor.snapshot()
    assert (seen.net_rate, seen.arrivals_last_minute, seen.broker_difference) == (None, None, None)


def test_the_backlog_grows_by_the_orders_that_arrive(history: HistorySite) -> None:
    for number in range(7):
        history.queue(f"a{number}", f"b{number}")
        history.sample()
    seen = history.monitor.snapshot()
    assert seen.net_rate == pytest.approx(0.2)
    assert seen.arrivals_last_minute == 12


def test_the_backlog_shrinks_by_the_orders_that_leave_it(history: HistorySite) -> None:
    waiting = history.queue("a", "b", "c", "d")
    for order_id in waiting[:3]:
        history.sample()
        history.people.cancel(order_id)
    history.sample()
    assert history.monitor.snapshot().net_rate == pytest.approx(-0.1)


def test_of_samples_that_nobody_takes_any_more_nothing_is_known(history: HistorySite) -> None:
    for _ in range(7):
        history.sample()
    assert history.monitor.snapshot().net_rate == 0.0
    history.advance(31)
    assert history.monitor.snapshot().net_rate is None


def test_messages_that_the_broker_has_lost_are_a_difference_that_stands(history: HistorySite) -> None:
    worker = Heartbeat(history.database, clock=history.clock)
    worker.identify("celery@web-1", 1)
    history.queue(*(f"k{number}" for number in range(10)))
    history.advance(60)
    history.dispatch_queue.take_due(10, republish_after=3600)
    for _ in range(6):
        worker.run_once()
        history.sample()
    assert history.monitor.snapshot().broker_difference == 10 - 4, "its one slot may hold four"
    history.messages = 1
    history.sample()
    assert history.monitor.snapshot().broker_difference == 0


def test_while_the_circuit_is_open_no_difference_is_known(history: HistorySite) -> None:
    worker = Heartbeat(history.database, clock=history.clock)
    worker.identify("celery@web-1", 1)
    history.messages = 5
    for _ in range(6):
        worker.run_once()
        history.sample()
    assert history.monitor.snapshot().broker_difference == -5
    history.open_circuit()
    history.sample()
    assert history.monitor.snapshot().broker_difference is None
