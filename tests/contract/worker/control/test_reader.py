"""What a worker knows of the drain's control: about a second old, and never an error."""

from __future__ import annotations

import logging
from unittest.mock import Mock

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.worker.background.heartbeat import Heartbeat
from breakwall.worker.control import reader
from breakwall.worker.control.reader import UNREAD, DrainStateReader
from tests.contract.people import ANNA
from tests.contract.site import Site
from tests.waiting import wait_until


class Reading:
    """A reader on the site's database, and the operator's control of it."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch, max_rate: float | None = None) -> None:
        self._site = site
        self._monkeypatch = monkeypatch
        self.control = DrainControl(site.database, clock=site.clock)
        self.capped: list[tuple[float | None, int]] = []
        self.reader = self.another(max_rate)

    def another(self, max_rate: float | None = None) -> DrainStateReader:
        return DrainStateReader(self._site.database, self._cap, max_rate=max_rate, clock=self._site.clock)

    def _cap(self, per_second: float | None, workers: int) -> None:
        self.capped.append((per_second, workers))

    def is_paused(self) -> bool:
        """What the next reading leaves known."""
        self.reader.run_once()
        return self.reader.is_paused()

    def lose_database(self, error: Exception | None = None) -> None:
        lost = Mock(side_effect=error or DatabaseUnavailableError("does not answer"))
        self._monkeypatch.setattr(self._site.database, "read", lost)

    def find_database(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def reading(site: Site, monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(site, monkeypatch)


def test_a_pause_and_its_end_are_seen_at_the_next_reading(reading: Reading) -> None:
    assert not reading.is_paused()
    reading.control.pause(ANNA)
    assert not reading.reader.is_paused()
    assert reading.is_paused()
    reading.control.resume(ANNA)
    assert not reading.is_paused()


def test_asking_it_leaves_the_database_alone(
    site: Site, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that fetches messages asks it, and must not wait for a database that hangs."""
    reading.reader.run_once()
    read = Mock()
    monkeypatch.setattr(site.database, "read", read)
    assert not reading.reader.is_paused()
    read.assert_not_called()


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize(
    "error", [DatabaseUnavailableError("gone"), OSError("too many files"), KeyError("a bug")]
)
def test_a_database_that_does_not_answer_leaves_what_is_known(
    reading: Reading, paused: bool, error: Exception
) -> None:
    if paused:
        reading.control.pause(ANNA)
    assert reading.is_paused() is paused
    reading.lose_database(error)
    assert reading.is_paused() is paused
    reading.find_database()
    reading.control.pause(ANNA)
    assert reading.is_paused()


def test_a_worker_that_never_reached_the_database_sends_nothing_and_says_why(
    reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    assert reading.reader.is_paused()
    reading.lose_database()
    assert reading.is_paused()
    assert "no waiting order is sent before the orders database answers" in caplog.text
    reading.find_database()
    assert not reading.is_paused()


def test_a_started_reader_has_read_and_reads_again_until_it_is_stopped(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "INTERVAL", 0.01)
    reading.control.pause(ANNA)
    reading.reader.start()
    assert reading.reader.state != UNREAD
    reading.control.resume(ANNA)
    wait_until(lambda: not reading.reader.is_paused())
    reading.reader.ask_to_stop()


def test_the_rate_is_the_lower_one_and_is_shared_by_the_live_workers(site: Site, reading: Reading) -> None:
    reading.reader.run_once()
    assert reading.capped == [(None, 1)]
    reading.control.set_rate(ANNA, 10.0)
    for name in ("one", "two"):
        heartbeat = Heartbeat(site.database, clock=site.clock)
        heartbeat.identify(name, 4)
        heartbeat.run_once()
    lower = reading.another(max_rate=3.0)
    for known in (reading.reader, lower):
        known.run_once()
    assert reading.capped[1:] == [(10.0, 2), (3.0, 2)]


def test_a_rate_before_the_first_heartbeat_is_this_workers_alone(reading: Reading) -> None:
    reading.control.set_rate(ANNA, 10.0)
    reading.reader.run_once()
    assert reading.capped == [(10.0, 1)]


def test_the_rate_holds_before_the_drain_is_known_to_run(site: Site, reading: Reading) -> None:
    reading.control.set_rate(ANNA, 10.0)
    paused: list[bool] = []
    reader_ = DrainStateReader(site.database, lambda *_: paused.append(reader_.is_paused()), clock=site.clock)
    reader_.run_once()
    assert paused == [True]


def test_a_database_that_does_not_answer_leaves_the_rate(reading: Reading) -> None:
    reading.control.set_rate(ANNA, 10.0)
    reading.reader.run_once()
    reading.lose_database()
    reading.reader.run_once()
    assert reading.capped == [(10.0, 1)]


def test_every_change_is_logged_once_with_who_and_why(
    reading: Reading, caplog: pytest.LogCaptureFixture
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
            reading.reader.run_once()
    assert caplog.messages == [
        "drain paused by anna: the service is back",
        "the drain's highest rate is now 2.5 orders a second, set by anna: the service is back",
        "the drain continues: it is no longer paused",
        "the drain's highest rate is now no limit",
    ]
