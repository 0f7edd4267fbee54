"""Exhaustion is distinguished from other errors, and the resource is named."""

from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from breakwall.host.exhaustion import CALM, ResourceExhaustion, exhausted_resource
from breakwall.log_throttle import INTERVAL
from breakwall.payments.db.database import Database, DatabaseUnavailableError, exhaustion_as_unavailable


@pytest.mark.parametrize(
    ("error", "resource"),
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
def test_an_exhausted_resource_is_named_also_as_the_cause_of_another_error(
    error: Exception, resource: str
) -> None:
    assert exhausted_resource(error) == resource
    wrapped = ValueError("outer")
    wrapped.__cause__ = error
    assert exhausted_resource(wrapped) == resource


@pytest.mark.parametrize(
    "error",
    [OSError("?"), ConnectionResetError(errno.ECONNRESET, "reset"), RuntimeError("a bug"), KeyError("x")],
)
def test_another_error_names_no_resource(error: Exception) -> None:
    assert exhausted_resource(error) is None
    with pytest.raises(type(error)), exhaustion_as_unavailable():
        raise error


def test_a_full_sqlite_database_has_no_disk_space(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    def fill(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE much (x)")
        connection.exec_driver_sql("PRAGMA max_page_count=3")
        connection.exec_driver_sql("INSERT INTO much VALUES (zeroblob(100000))")

    with pytest.raises(DatabaseUnavailableError, match="no disk space left") as told:
        database.write(fill)
    assert told.value.lack == "disk space"


def test_a_disk_that_is_full_at_the_commit_is_reported_as_that(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's log is written there. The error was "went away during a commit", and `lack` was None."""
    database, full = Database(sqlite_url), sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(connection: object) -> None:
        raise OperationalError("COMMIT", None, full) from full

    monkeypatch.setattr("breakwall.payments.db.database._commit", fail)
    with pytest.raises(DatabaseUnavailableError, match="no disk space left") as told:
        database.write(lambda connection: None)
    assert told.value.lack == "disk space"


def test_an_existing_database_that_cannot_be_opened_needs_a_descriptor(tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.touch()
    cannot = sqlite3.OperationalError("unable to open database file")
    cannot.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    assert exhausted_resource(cannot, str(there)) == "file descriptors"
    assert exhausted_resource(cannot, str(tmp_path / "no" / "folder.db")) is None


class Process:
    def __init__(self) -> None:
        self.now = 100.0
        self.changes: list[str | None] = []
        self.exhaustion = ResourceExhaustion(lambda: self.now, on_change=self.changes.append)


def test_exhaustion_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    for _ in range(130):
        process.exhaustion.report("memory")
        process.now += 1.0
    logged = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(logged) == 1 + 129 // INTERVAL
    assert "no memory left" in logged[0].getMessage()


def test_exhaustion_is_over_after_a_time_without_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    process.exhaustion.report_success()
    process.exhaustion.report("memory")
    process.now += CALM - 1
    process.exhaustion.report_success()
    process.now += 1
    process.exhaustion.report_success()
    process.exhaustion.report_success()
    assert process.changes == ["memory", None]
    assert "has memory again" in caplog.text
