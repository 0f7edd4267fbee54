"""What a process has run out of: told apart from other errors, and said once a minute."""

from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from breakwall.host.exhaustion import CALM, REPEAT, Lacks, lack_of, relieve, remember
from breakwall.payments.db.database import Database, DatabaseUnavailableError, telling_shortages


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "file descriptors"),
        (OSError(errno.ENFILE, "Too many open files in system"), "file descriptors"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk space"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "processes or threads"),
    ],
)
def test_a_shortage_is_named_also_as_the_cause_of_another_error(error: Exception, lack: str) -> None:
    assert lack_of(error) == lack
    wrapped = ValueError("outer")
    wrapped.__cause__ = error
    assert lack_of(wrapped) == lack


@pytest.mark.parametrize(
    "error",
    [OSError("?"), ConnectionResetError(errno.ECONNRESET, "reset"), RuntimeError("a bug"), KeyError("x")],
)
def test_any_other_error_is_none(error: Exception) -> None:
    assert lack_of(error) is None
    with pytest.raises(type(error)), telling_shortages():
        raise error


def test_a_full_sqlite_database_is_a_lack_of_disk_space(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    def fill(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE much (x)")
        connection.exec_driver_sql("PRAGMA max_page_count=3")
        connection.exec_driver_sql("INSERT INTO much VALUES (zeroblob(100000))")

    with pytest.raises(DatabaseUnavailableError, match="no disk space left") as told:
        database.write(fill)
    assert told.value.lack == "disk space"


def test_a_disk_that_is_full_at_the_commit_is_the_same_lack(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There SQLite's log is written. It was "went away during a commit", and `lack` said nothing."""
    database, full = Database(sqlite_url), sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(connection: object) -> None:
        raise OperationalError("COMMIT", None, full) from full

    monkeypatch.setattr("breakwall.payments.db.database._commit", fail)
    with pytest.raises(DatabaseUnavailableError, match="no disk space left") as told:
        database.write(lambda connection: None)
    assert told.value.lack == "disk space"


def test_a_database_that_is_there_and_cannot_be_opened_lacks_a_descriptor(tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.touch()
    cannot = sqlite3.OperationalError("unable to open database file")
    cannot.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    assert lack_of(cannot, str(there)) == "file descriptors"
    assert lack_of(cannot, str(tmp_path / "no" / "folder.db")) is None


class Clocked:
    def __init__(self) -> None:
        self.now = 100.0
        self.heard: list[str | None] = []
        self.lacks = Lacks(lambda: self.now, hear=self.heard.append)


def test_a_shortage_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    site = Clocked()
    for _ in range(130):
        site.lacks.report("memory")
        site.now += 1.0
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1 + 129 // REPEAT
    assert "no memory left" in said[0].getMessage()


def test_it_is_over_after_a_time_in_which_nothing_was_lacking(caplog: pytest.LogCaptureFixture) -> None:
    site = Clocked()
    site.lacks.enough()
    site.lacks.report("memory")
    site.now += CALM - 1
    site.lacks.enough()
    site.now += 1
    site.lacks.enough()
    site.lacks.enough()
    assert site.heard == ["memory", None]
    assert "has memory again" in caplog.text


class Kept:
    closed = 0

    def close_idle(self) -> None:
        self.closed += 1


def test_what_is_only_kept_for_later_is_closed_for_want_of_descriptors_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("breakwall.host.exhaustion._relieved_at", float("-inf"))
    kept = Kept()
    remember(kept)
    relieve(OSError(errno.ENOSPC, "full"))
    relieve(None)
    assert kept.closed == 0
    told = ConnectionError("as the broker's client says it")
    told.__context__ = OSError(errno.EMFILE, "too many")
    relieve(told)
    assert kept.closed == 1
    relieve(told)
    assert kept.closed == 1  # it has just been done
