"""The points of a chart."""

from __future__ import annotations

from datetime import timedelta

from breakwall.monitor.history.read import read_history
from breakwall.monitor.history.sample import Sample
from breakwall.payments.db.operator_tables import backlog_samples
from tests.contract.monitor.history.history_site import HistorySite


def read(history: HistorySite, points: int, *, seconds: float = 120.0) -> list[Sample]:
    since = history.clock.now - timedelta(seconds=seconds)
    return read_history(history.database, since, history.clock.now, points)


def test_few_samples_are_all_points(history: HistorySite) -> None:
    taken = [history.sample() for _ in range(5)]
    assert read(history, 5) == taken


def test_only_the_asked_time_is_read(history: HistorySite) -> None:
    taken = [history.sample() for _ in range(5)]
    assert read(history, 100, seconds=20.0) == taken[-2:]


def test_many_samples_are_reduced_evenly_and_lose_no_outage(history: HistorySite) -> None:
    for number in range(12):
        (waiting,) = history.queue(f"k{number}")
        if number != 6:
            history.people.cancel(waiting)
        history.sample()
        if number == 6:
            history.people.cancel(waiting)
    points = read(history, 4)
    assert [point.span for point in points] == [20.0, 30.0, 30.0, 40.0]
    assert [point.queued for point in points] == [0, 0, 1, 0]


def test_without_the_table_there_is_no_history(history: HistorySite) -> None:
    history.database.write(lambda connection: backlog_samples.drop(connection))
    assert read(history, 5) == []
