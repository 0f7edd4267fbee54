"""Strange messages are logged once a minute, and stored if the database works."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from breakwall.broker.messages.strange import StrangeMessage
from breakwall.log_throttle import INTERVAL
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.fleet.strange_messages import newest
from breakwall.worker.background.strange_messages import StrangeMessageRecorder
from tests.manual_clock import MonotonicClock


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a commit may take longer than a worker's end waits for it."""
    monkeypatch.setattr("breakwall.worker.background.strange_messages.CLOSE_TIMEOUT", 60.0)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "breakwall.worker"]


def test_a_kind_is_logged_at_once_and_then_once_a_minute_with_its_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = MonotonicClock()
    database = Database(f"sqlite:///{tmp_path / 'db'}")
    upgrade(database.engine)
    caplog.clear()
    recorder = StrangeMessageRecorder(lambda: database, clock)
    for _ in range(70):
        recorder.record(StrangeMessage("it is no JSON", None, b"x"))
    clock.advance(INTERVAL)
    recorder.record(StrangeMessage("it is no JSON", None, b"x"))
    recorder.close()
    first, second = logged(caplog)
    assert "it is no JSON;" in first
    assert "(and 69 more like it)" in second
    assert len(database.read(lambda connection: newest(connection, limit=100))) == 71
    database.close()


def test_a_database_that_fails_costs_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(f"sqlite:///{tmp_path / 'db'}")  # without its tables, as one of the version before
    recorder = StrangeMessageRecorder(lambda: database, MonotonicClock())
    for reason in ("a", "b", "c"):
        recorder.record(StrangeMessage(reason, None, b"x"))
    recorder.close()
    assert len(logged(caplog)) == 4
    assert "strange messages could not be stored (DatabaseUnavailableError)" in logged(caplog)
    database.close()


def test_if_no_thread_can_be_started_the_next_message_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    database = Database(f"sqlite:///{tmp_path / 'db'}")
    upgrade(database.engine)
    recorder = StrangeMessageRecorder(lambda: database, MonotonicClock())
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(threading.Thread, "start", none_left)
        recorder.record(StrangeMessage("it has no headers", None, None))
    recorder.record(StrangeMessage("it has no headers", None, None))
    recorder.close()
    assert len(database.read(lambda connection: newest(connection, limit=100))) == 2
    database.close()
