"""The history becomes coarser with age, and loses no outage of seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample
from breakwall.monitor.history.thin import DAY, HOUR, KEPT, thin
from breakwall.payments.db.database import Database
from tests.contract.monitor.history.history_site import HistorySite


def fill(history: HistorySite, ago: float, number: int, every: float = 10.0) -> list[Sample]:
    """Samples, of which the first is so many seconds old, on the minute."""
    start = (history.clock.now - timedelta(seconds=ago)).replace(second=1, microsecond=0)
    calm = Sample(at=start, span=every, queued=0, due=0, in_flight=0, review=0, dead=0, arrivals=1)
    added = [replace(calm, at=start + timedelta(seconds=every * n)) for n in range(number)]
    added[number // 2] = replace(added[number // 2], queued=500, open_share=1.0)
    history.database.write(lambda found: store.add(found, added))
    return added


def thinned(history: HistorySite) -> list[Sample]:
    thin(history.database, history.clock.now)
    return history.samples()


def test_the_last_two_hours_stay_as_they_are(history: HistorySite) -> None:
    added = fill(history, 1.9 * HOUR, 12)
    assert thinned(history) == added


def test_older_samples_become_one_a_minute_and_keep_the_maxima_and_the_sums(history: HistorySite) -> None:
    fill(history, 3 * HOUR, 12)
    found = thinned(history)
    assert [one.arrivals for one in found] == [6, 6]
    assert max(one.queued for one in found) == 500
    assert [one.open_share for one in found] == [0.0, 1 / 6]


def test_after_two_days_they_become_one_each_ten_minutes(history: HistorySite) -> None:
    fill(history, 3 * DAY, 120)
    found = thinned(history)
    assert sum(one.arrivals for one in found) == 120
    assert (len(found) <= 3, max(one.queued for one in found)) == (True, 500)


def test_thinning_again_changes_nothing(history: HistorySite) -> None:
    fill(history, 3 * HOUR, 30)
    assert thinned(history) == thinned(history)


def test_each_transaction_merges_a_few_so_that_writers_wait_for_a_short_time(
    history: HistorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(history, 3 * HOUR, 30)
    monkeypatch.setattr("breakwall.monitor.history.thin.BATCH", 2)
    writes = []
    write = Database.write
    monkeypatch.setattr(Database, "write", lambda *given, **named: writes.append(1) or write(*given, **named))
    assert [one.arrivals for one in thinned(history)] == [6] * 5
    assert len(writes) == 3
    thinned(history)
    assert len(writes) == 3, "to find out that there is nothing to merge, nobody has to wait"


def test_a_minute_that_is_not_over_is_left_alone(history: HistorySite) -> None:
    """Merged now, its later samples would become a second one for the same minute."""
    history.advance(30)
    added = fill(history, 2 * HOUR + 25, 6)
    assert thinned(history) == added


def test_after_thirty_days_they_are_deleted(history: HistorySite) -> None:
    fill(history, KEPT + 100, 2)
    fill(history, 60, 1)
    history.sampler.run_once()
    assert len(history.samples()) == 2


def test_it_goes_on_where_it_stopped(history: HistorySite) -> None:
    fill(history, 3 * HOUR, 12)
    before = history.clock.now - timedelta(seconds=1.5 * HOUR)
    thin(history.database, history.clock.now, since=before)
    assert len(history.samples()) == 2
