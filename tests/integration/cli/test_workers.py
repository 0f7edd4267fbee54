"""`breakwall workers`, and workers in `backlog` and `doctor`, with real workers that are stopped and killed."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from breakwall import __version__
from breakwall.payments.db.database import Database
from breakwall.worker.background.heartbeat import Heartbeat
from tests.command import Terminal, command_line
from tests.waiting import wait_until

TIMEOUT = 60.0


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


@contextmanager
def working(terminal: Terminal) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that has written its first heartbeat."""
    with (terminal.folder / "worker.log").open("wb") as log:
        line = command_line("worker", "--concurrency", "3", "-n", "w1@%h")
        worker = subprocess.Popen(line, stdout=log, stderr=log, cwd=terminal.folder, env=terminal.environ)
        try:
            wait_until(lambda: listed(terminal)["alive"] == 1, TIMEOUT)
            yield worker
        finally:
            worker.kill()
            worker.wait(timeout=TIMEOUT)


def listed(terminal: Terminal) -> dict:  # type: ignore[type-arg]  # a JSON document
    return dict(terminal.run("workers", "-o", "json").document)


def test_a_worker_is_listed_while_it_runs_and_gone_when_it_was_stopped(terminal: Terminal) -> None:
    terminal.place()
    with working(terminal) as worker:
        (found,) = listed(terminal)["workers"]
        assert found["name"].startswith("w1@")
        assert (found["pid"], found["slots"], found["version"]) == (worker.pid, 3, __version__)
        assert (found["alive"], found["lacks"]) == (True, None)
        assert found["started_at"] <= found["seen_at"]
        words = terminal.run("workers").out
        assert words.startswith("1 worker is alive, with 3 slots.\n")
        assert f"{worker.pid}" in words
        backlog = terminal.run("backlog", "-o", "json").document
        assert (backlog["workers"], backlog["warnings"]) == (1, [])
        assert "workers         1 alive" in terminal.run("backlog").out
        assert f"1 alive, with 3 slots ({__version__})" in terminal.run("doctor").out
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=TIMEOUT) == 0
    assert listed(terminal)["workers"] == []


def test_a_worker_that_was_killed_is_shown_as_silent_and_missed_by_what_waits(terminal: Terminal) -> None:
    with working(terminal):
        pass
    # Not before: the worker might be killed while it charges the order.
    terminal.place()
    pretend_that_time_passed(terminal)
    document = listed(terminal)
    assert (document["alive"], document["workers"][0]["alive"]) == (0, False)
    assert [warning["kind"] for warning in document["warnings"]] == ["no_worker"]
    words = terminal.run("workers").out
    assert words.startswith("No worker is alive: waiting orders are not charged.\n  → Start one: ")
    assert "silent, 2 min ago" in words
    assert "1 went silent, the last one 2 min ago (w1@" in terminal.run("doctor").out


def test_no_worker_is_alive_and_backlog_does_not_say_that_payments_go_through(terminal: Terminal) -> None:
    assert terminal.run("backlog").out.startswith(
        "No order waits. The circuit is closed: payments go through."
    )
    terminal.place()
    words = terminal.run("backlog").out
    assert "No worker is alive: waiting orders are not charged.\n  → Start one: `breakwall worker`." in words
    assert "go through" not in words
    document = terminal.run("backlog", "-o", "json").document
    assert document["workers"] == 0
    assert [warning["kind"] for warning in document["warnings"]] == ["no_worker"]


def test_a_half_open_circuit_without_a_probe_is_reported_with_what_to_do(terminal: Terminal) -> None:
    terminal.set(BREAKER__FAILURE_THRESHOLD="1", BREAKER__RECOVERY_TIMEOUT="0.05")
    terminal.place()
    wait_until(lambda: "half_open" in terminal.run("breaker", "status").out, TIMEOUT)
    shown = ["no_worker", "nobody_probes"]
    document = terminal.run("backlog", "-o", "json").document
    assert [warning["kind"] for warning in document["warnings"]] == shown
    assert (
        "The circuit is half-open, but no process probes.\n  → Start a worker." in terminal.run("backlog").out
    )
    wrong = [check for check in terminal.run("doctor", "-o", "json").document["checks"] if not check["ok"]]
    assert "The circuit is half-open, but no process probes." in wrong[-1]["detail"]
    assert wrong[-1]["advice"].startswith("Start a worker.")


def test_without_anything_that_waits_a_missing_worker_is_a_remark(terminal: Terminal) -> None:
    assert terminal.run("workers").out == "No worker is alive.\n"
    assert listed(terminal) | {"at": ""} == {"at": "", "alive": 0, "workers": [], "warnings": []}


def test_a_workers_exhausted_resource_is_reported_and_is_a_problem_for_doctor(terminal: Terminal) -> None:
    terminal.run("db", "upgrade")
    with closing(Database(f"sqlite:///{terminal.home / 'breakwall.db'}")) as database:
        heartbeat = Heartbeat(database)
        heartbeat.identify("celery@[b]web[/b]", 20)
        heartbeat.set_exhausted("no file descriptors are left")
        assert heartbeat.run_once()
    shown = "celery@[b]web[/b] has exhausted a resource: no file descriptors are left"
    assert shown in terminal.run("workers").out
    ran = terminal.run("doctor")
    assert ran.code == 1
    assert re.search(rf"^problem  workers +{re.escape(shown)}$", ran.out, re.MULTILINE)


def pretend_that_time_passed(terminal: Terminal) -> None:
    """Make the dead worker's heartbeat two minutes old."""
    with closing(sqlite3.connect(terminal.home / "breakwall.db")) as connection, connection:
        connection.execute(
            "UPDATE workers SET seen_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-120 seconds') || '000'"
        )
