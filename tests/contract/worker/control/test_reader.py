"""What a worker knows of the drain's control: about a second old, and never an error."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.worker.background.heartbeat import Heartbeat
from breakwall.worker.control.reader import INTERVAL, UNREAD, DrainStateReader
from tests.contract.payments.db.rolling import go_back
from tests.contract.people import ANNA
from tests.contract.site import Site


class Reading:
    """A reader on the site's database, and the operator's control of it."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch, max_rate: float | None = None) -> None:
        self._site = site
        self._monkeypatch = monkeypatch
        self.control = DrainControl(site.database, clock=site.clock)
        self.reader = self.another(max_rate)

    def another(self, max_rate: float | None = None) -> DrainStateReader:
        return DrainStateReader(
            self._site.database,
            max_rate=max_rate,
            clock=self._site.clock,
            monotonic=lambda: self._site.seconds,
        )

    def lose_database(self, error: Exception | None = None) -> None:
        lost = Mock(side_effect=error or DatabaseUnavailableError("does not answer"))
        self._monkeypatch.setattr(self._site.database, "read", lost)

    def find_database(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def reading(site: Site, monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(site, monkeypatch)


def test_a_pause_and_its_end_are_seen_within_the_interval(site: Site, reading: Reading) -> None:
    assert not reading.reader.is_paused()
    reading.control.pause(ANNA)
    assert not reading.reader.is_paused()
    site.advance(INTERVAL)
    assert reading.reader.is_paused()
    reading.control.resume(ANNA)
    site.advance(INTERVAL)
    assert not reading.reader.is_paused()


def test_a_new_process_knows_a_pause_at_once(reading: Reading) -> None:
    reading.control.pause(ANNA)
    assert reading.reader.is_paused()


def test_between_two_readings_the_database_is_left_alone(
    site: Site, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Mock(side_effect=site.database.read)
    monkeypatch.setattr(site.database, "read", read)
    for _ in range(100):
        reading.reader.is_paused()
        site.advance(INTERVAL / 100)
    assert read.call_count == 1


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize(
    "error", [DatabaseUnavailableError("gone"), OSError("too many files"), KeyError("a bug")]
)
def test_a_database_that_does_not_answer_leaves_what_is_known(
    site: Site, reading: Reading, paused: bool, error: Exception
) -> None:
    if paused:
        reading.control.pause(ANNA)
    assert reading.reader.is_paused() is paused
    reading.lose_database(error)
    site.advance(60.0)
    assert reading.reader.is_paused() is paused
    reading.find_database()
    reading.control.pause(ANNA)
    site.advance(INTERVAL)
    assert reading.reader.is_paused()


def test_a_worker_that_never_reached_the_database_sends_nothing_and_says_why(
    site: Site, reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    reading.lose_database()
    assert reading.reader.is_paused()
    assert reading.reader.state == UNREAD
    assert "no waiting order is sent before the orders database answers" in caplog.text
    reading.find_database()
    site.advance(INTERVAL)
    assert not reading.reader.is_paused()


def test_a_database_of_the_version_before_pauses_nothing(site: Site, reading: Reading) -> None:
    go_back(site)
    assert not reading.reader.is_paused()


def test_while_one_thread_reads_the_others_get_what_is_known(
    site: Site, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not reading.reader.is_paused()
    seen: list[bool] = []
    read = site.database.read

    def slow_read(work: Callable[..., object]) -> object:
        other = threading.Thread(target=lambda: seen.append(reading.reader.is_paused()))
        other.start()
        other.join(10.0)
        return read(work)

    reading.control.pause(ANNA)
    site.advance(INTERVAL)
    monkeypatch.setattr(site.database, "read", slow_read)
    assert reading.reader.is_paused()
    assert seen == [False]


def test_the_rate_is_the_lower_one_and_is_shared_by_the_live_workers(site: Site, reading: Reading) -> None:
    assert reading.reader.rate is None
    reading.control.set_rate(ANNA, 10.0)
    for name in ("one", "two"):
        heartbeat = Heartbeat(site.database, clock=site.clock)
        heartbeat.identify(name, 4)
        heartbeat.run_once()
    site.advance(INTERVAL)
    assert (reading.reader.rate, reading.reader.workers) == (10.0, 2)
    lower = reading.another(max_rate=3.0)
    assert (lower.rate, lower.workers) == (3.0, 2)


def test_a_rate_before_the_first_heartbeat_is_this_workers_alone(reading: Reading) -> None:
    reading.control.set_rate(ANNA, 10.0)
    assert reading.reader.workers == 1


def test_every_change_is_logged_once_with_who_and_why(
    site: Site, reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    changes = (
        lambda: reading.control.pause(ANNA),
        lambda: reading.control.set_rate(ANNA, 2.5),
        lambda: reading.control.resume(ANNA),
        lambda: reading.control.set_rate(ANNA, None),
    )
    for change in (lambda: None, *changes):
        change()
        for _ in range(2):
            reading.reader.is_paused()
            site.advance(INTERVAL)
    assert caplog.messages == [
        "drain paused by anna: the service is back",
        "the drain's highest rate is now 2.5 orders a second, set by anna: the service is back",
        "the drain continues: it is no longer paused",
        "the drain's highest rate is now no limit",
    ]
