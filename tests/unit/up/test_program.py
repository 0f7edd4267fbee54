"""A program's output reaches the terminal once it is up, in readable lines; its end is an error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.processes.child import ChildFailedError
from breakwall.up.program import Program, as_event, readable
from tests.texts import FAMILY
from tests.waiting import wait_until

HEAD = "2026-11-23T11:01:47.692Z {level} celery.worker: "


def test_the_head_of_a_line_is_cut_to_the_time() -> None:
    assert readable(HEAD.format(level="INFO") + "celery@shop ready.") == "11:01:47Z celery@shop ready."


def test_a_warning_stays_one() -> None:
    assert readable(HEAD.format(level="WARNING") + "no database") == "11:01:47Z WARNING no database"


def test_an_orders_outcome_is_shown_without_the_logger() -> None:
    line = HEAD.format(level="INFO") + "order 0ff1ce: paid"
    assert readable(line) == "11:01:47Z order 0ff1ce: paid"


@pytest.mark.parametrize("what", ["received", "succeeded in 0.08s: 'paid'"])
def test_celerys_own_line_about_the_same_is_left_out(what: str) -> None:
    assert readable(HEAD.format(level="INFO") + f"Task breakwall.retry_payment[0ff1-ce] {what}") == ""


def test_a_task_that_fails_is_not_left_out() -> None:
    line = HEAD.format(level="ERROR") + "Task breakwall.retry_payment[0ff1-ce] raised unexpected: KeyError()"
    assert "raised unexpected" in readable(line)


def test_other_lines_stay_as_they_are() -> None:
    assert readable('  File "app.py", line 3') == '  File "app.py", line 3'


def test_nothing_in_a_line_moves_the_cursor() -> None:
    assert "\x1b" not in readable("evil \x1b[2J line")
    assert "\x1b" not in readable(HEAD.format(level="INFO") + "evil \x1b[2J line")


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.kill()


def start(programs: list[Program], written: list[str], folder: Path, script: str) -> Program:
    program = Program(
        "worker",
        [sys.executable, "-u", "-c", script],
        environment=os.environ,
        folder=folder,
        ready_mark=" ready.",
        write=written.append,
    )
    programs.append(program)
    return program


def test_banners_are_held_back_and_the_rest_is_shown(
    programs: list[Program], written: list[str], tmp_path: Path
) -> None:
    script = "print('** banner **'); print('it is ready.'); print('order 1: paid')"
    program = start(programs, written, tmp_path, script)
    wait_until(lambda: len(written) == 2)
    assert program.ready
    assert written == ["it is ready.", "order 1: paid"]


def end_of(program: Program) -> ChildFailedError:
    """Wait for its end; the error by which it is reported."""
    wait_until(lambda: not program.running)
    with pytest.raises(ChildFailedError) as caught:
        program.check()
    return caught.value


def test_one_that_never_came_up_is_reported_with_its_output(
    programs: list[Program], written: list[str], tmp_path: Path
) -> None:
    error = end_of(start(programs, written, tmp_path, "import sys; sys.exit('no such database')"))
    assert str(error) == "the worker ended with code 1 before it was up"
    assert error.log == "no such database"
    assert written == []


def test_one_that_was_up_is_reported_with_its_exit_code(
    programs: list[Program], written: list[str], tmp_path: Path
) -> None:
    error = end_of(start(programs, written, tmp_path, "import sys; print('is ready.'); sys.exit(3)"))
    assert str(error) == "the worker ended with code 3"
    assert error.log == ""
    assert written == ["is ready."]


def test_one_that_runs_is_fine(programs: list[Program], written: list[str], tmp_path: Path) -> None:
    start(programs, written, tmp_path, "import time; time.sleep(60)").check()


def test_both_streams_are_shown(programs: list[Program], written: list[str], tmp_path: Path) -> None:
    start(programs, written, tmp_path, "import sys; print('is ready.'); print('oops', file=sys.stderr)")
    wait_until(lambda: written == ["is ready.", "oops"])


def test_a_line_keeps_names_and_loses_what_reverses_text() -> None:
    assert readable(f"{FAMILY} Jean\u00a0Dupont \u202eevil") == f"{FAMILY} Jean\u00a0Dupont  evil"


def test_in_json_every_line_is_an_event() -> None:
    event = '{"event": "paid", "level": "info"}'
    assert as_event("worker", event) == event
    said = json.loads(as_event("worker", "Payment service \x1b[2J on"))
    assert (said["event"], said["logger"]) == ("Payment service \\x1b[2J on", "breakwall.up.worker")
