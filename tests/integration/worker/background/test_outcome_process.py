"""The process that delivers outcomes is started, logged, started again and ended by the worker's side of it."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from breakwall.settings import load_settings
from breakwall.worker.background.outcome_process import LONG_RUN, OutcomeProcess, log_line
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

SETTINGS = load_settings({})
READS = "import sys, time; sys.stdin.buffer.read(); "
SERVES = READS + "open(sys.argv[1], 'a').write('started\\n'); time.sleep(3600)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVES
ENDS_WELL = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " + SERVES


@contextmanager
def running(tmp_path: Path, program: str, **options: Any) -> Iterator[tuple[OutcomeProcess, list[str]]]:
    """One that runs the program; and what it reports."""
    reports: list[str] = []
    command = [sys.executable, "-c", program, str(tmp_path / "starts")]
    process = OutcomeProcess(SETTINGS, command=command, restart_after=0.0, report=reports.append, **options)
    process.start()
    try:
        yield process, reports
    finally:
        process.stop()


def starts(tmp_path: Path) -> int:
    file = tmp_path / "starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


def children(tmp_path: Path) -> list[psutil.Process]:
    here = psutil.Process().children(recursive=True)
    return [child for child in here if str(tmp_path / "starts") in child.cmdline()]


def test_a_program_that_is_killed_is_reported_and_started_again(tmp_path: Path) -> None:
    with running(tmp_path, SERVES) as (_, reports):
        wait_until(lambda: starts(tmp_path) == 1, 60)
        children(tmp_path)[0].kill()
        wait_until(lambda: starts(tmp_path) == 2, 60)
    assert reports == ["the process that delivers outcomes was killed by SIGKILL; it is started again"]


def test_a_program_that_ends_well_after_a_long_run_is_started_again_without_a_word(tmp_path: Path) -> None:
    moments = itertools.count(0, int(LONG_RUN))
    with running(tmp_path, ENDS_WELL, clock=lambda: float(next(moments))) as (_, reports):
        wait_until(lambda: starts(tmp_path) == 1, 60)
        children(tmp_path)[0].terminate()
        wait_until(lambda: starts(tmp_path) == 2, 60)
    assert reports == []


def test_a_program_that_ends_well_at_once_is_reported(tmp_path: Path) -> None:
    with running(tmp_path, READS) as (_, reports):
        wait_until(lambda: bool(reports), 60)
    assert reports[0] == "the process that delivers outcomes ended with code 0; it is started again"


def test_a_stop_ends_the_program(tmp_path: Path) -> None:
    with running(tmp_path, SERVES) as (process, reports):
        wait_until(lambda: starts(tmp_path) == 1, 60)
        process.stop()
        assert children(tmp_path) == []
    assert reports == []


def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, IGNORES_SIGTERM, kill_after=0.2) as (process, _):
        wait_until(lambda: starts(tmp_path) == 1, 60)
        stopwatch = Stopwatch(processes=True)
        process.stop()
        assert stopwatch.seconds < 5
        assert children(tmp_path) == []


def test_nothing_is_started_after_a_stop(tmp_path: Path) -> None:
    process = OutcomeProcess(SETTINGS, command=[sys.executable, "-c", SERVES, str(tmp_path / "starts")])
    process.ask_to_stop()
    process.start()
    process.stop()
    assert starts(tmp_path) == 0


def test_one_that_was_never_started_can_be_stopped() -> None:
    OutcomeProcess(SETTINGS).stop()


def test_a_program_that_cannot_be_started_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr("breakwall.worker.background.outcome_process.Child", fail)
    with running(tmp_path, SERVES) as (_, reports):
        wait_until(lambda: bool(reports), 60)
    assert reports[0] == "the process that delivers outcomes failed (BlockingIOError); it is started again"


def test_a_failure_while_it_runs_ends_it_and_it_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = iter([MemoryError(), b""])

    def what_it_reads(_: object) -> bytes:
        found = next(read)
        if isinstance(found, MemoryError):
            raise found
        return found

    monkeypatch.setattr("breakwall.worker.background.outcome_process.what_it_reads", what_it_reads)
    with running(tmp_path, SERVES) as (_, reports):
        wait_until(lambda: starts(tmp_path) == 1, 60)
        assert len(children(tmp_path)) == 1
    assert reports == ["the process that delivers outcomes failed (MemoryError); it is started again"]


def test_it_is_asked_to_end_once_however_often_its_worker_is(tmp_path: Path) -> None:
    counts = "import signal; heard = []; signal.signal(signal.SIGTERM, lambda *_: heard.append(1)); "
    counts += SERVES.replace("time.sleep(3600)", "time.sleep(1); sys.exit(len(heard))")
    with running(tmp_path, counts) as (process, _):
        wait_until(lambda: starts(tmp_path) == 1, 60)
        process.ask_to_stop()
        process.ask_to_stop()
        process.stop()
        assert process._child is not None
        assert process._child.process.returncode == 1


def test_the_pause_before_a_start_grows_while_the_runs_are_short() -> None:
    moments = iter(range(1000))
    process = OutcomeProcess(SETTINGS, restart_after=2.0, clock=lambda: float(next(moments)))
    assert pauses(process, runs=7) == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_the_pause_is_short_again_after_a_long_run() -> None:
    moments = iter(range(0, 100_000, int(LONG_RUN)))
    process = OutcomeProcess(SETTINGS, restart_after=2.0, clock=lambda: float(next(moments)))
    assert pauses(process, runs=3) == [2.0, 2.0, 2.0]


def pauses(process: OutcomeProcess, runs: int) -> list[float]:
    """How long it waits after each of so many runs that do nothing."""
    waited: list[float] = []

    class Stopped:
        def is_set(self) -> bool:
            return len(waited) == runs

        def wait(self, seconds: float) -> None:
            waited.append(seconds)

    process._stopped = Stopped()  # type: ignore[assignment]
    process._run_once = lambda began: None  # type: ignore[method-assign]
    process._run()
    return waited


def test_its_lines_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = (
        READS + "print('40 breakwall.outcomes it is bad', file=sys.stderr, flush=True); time.sleep(3600)"
    )
    with running(tmp_path, program):
        wait_until(lambda: bool(caplog.records), 60)
    assert caplog.record_tuples == [("breakwall.outcomes", logging.ERROR, "it is bad")]


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        ("30 breakwall.outcomes the circuit opens", ("breakwall.outcomes", 30, "the circuit opens")),
        ("20 breakwall.outcomes 100 %s %d", ("breakwall.outcomes", 20, "100 %s %d")),
        ("Traceback", ("breakwall.worker", 30, "the process that delivers outcomes wrote: Traceback")),
        ("30 alone", ("breakwall.worker", 30, "the process that delivers outcomes wrote: 30 alone")),
    ],
)
def test_a_line_goes_to_its_own_logger_and_any_other_is_a_warning(
    line: str, logged: tuple[str, int, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log_line(line)
    assert caplog.record_tuples == [logged]


def test_an_empty_line_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    log_line("")
    assert caplog.record_tuples == []


def test_a_file_of_secrets_that_has_gone_since_the_workers_start_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_" + "YWFh" * 8)
    given = {
        "DATA_DIR": tmp_path,
        "OUTCOMES__WEBHOOK_URL": "https://shop.example/",
        "OUTCOMES__WEBHOOK_SECRET_FILE": file,
    }
    settings = load_settings({f"BREAKWALL_{name}": str(value) for name, value in given.items()})
    file.unlink()
    reports: list[str] = []
    process = OutcomeProcess(settings, report=reports.append)
    process.start()
    wait_until(lambda: bool(reports), 60)
    process.stop()
    assert reports == ["the process that delivers outcomes ended with code 1; it is started again"]
    [(_, level, message)] = caplog.record_tuples
    assert level == logging.WARNING
    assert message.startswith(
        "outcomes cannot be delivered: BREAKWALL_OUTCOMES__WEBHOOK_SECRET_FILE cannot be read"
    )
