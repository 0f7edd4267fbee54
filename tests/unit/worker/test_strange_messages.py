"""Messages that are none of ours: counted and told once a minute, kept where the database takes them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from breakwall.broker.messages import StrangeMessage
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.fleet.strange_messages import newest
from breakwall.worker.strange_messages import PAUSE, StrangeBox


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "breakwall.worker"]


def test_a_kind_is_told_at_once_and_then_once_a_minute_with_how_many(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    database = Database(f"sqlite:///{tmp_path / 'db'}")
    upgrade(database.engine)
    caplog.clear()
    box = StrangeBox(lambda: database, clock)
    for _ in range(70):
        box.put(StrangeMessage("it is no JSON", None, b"x"))
    clock.now += PAUSE
    box.put(StrangeMessage("it is no JSON", None, b"x"))
    box.close()
    first, second = said(caplog)
    assert "it is no JSON;" in first
    assert "(and 69 more like it)" in second
    assert box.total == 71
    assert len(database.read(lambda connection: newest(connection, limit=100))) == 71
    database.close()


def test_a_database_that_takes_none_costs_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(f"sqlite:///{tmp_path / 'db'}")  # without its tables, as one of the version before
    box = StrangeBox(lambda: database, Clock())
    for reason in ("a", "b", "c"):
        box.put(StrangeMessage(reason, None, b"x"))
    box.close()
    assert len(said(caplog)) == 4
    assert "messages that are none of ours could not be kept (DatabaseUnavailableError)" in said(caplog)
    assert box.total == 3
    database.close()


def test_without_a_thread_to_be_had_it_goes_on_and_keeps_them_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    database = Database("sqlite:///never-used.db")
    box = StrangeBox(lambda: database, Clock())
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(threading.Thread, "start", none_left)
        box.put(StrangeMessage("it has no headers", None, None))
        box.close()
    assert box.total == 1
