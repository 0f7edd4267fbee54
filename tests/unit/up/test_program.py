"""What a program says reaches the terminal from the moment it is up, in lines a person can read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.up.program import Program, as_event, readable
from tests.texts import FAMILY
from tests.unit.demo.processes import eventually

HEAD = "2026-11-23T11:01:47.692Z {level} celery.worker: "


def test_the_head_of_a_line_is_cut_to_the_time() -> None:
    assert readable(HEAD.format(level="INFO") + "celery@shop ready.") == "11:01:47Z celery@shop ready."


def test_a_warning_stays_one() -> None:
    assert readable(HEAD.format(level="WARNING") + "no database") == "11:01:47Z WARNING no database"


def test_what_became_of_an_order_is_told_without_the_tasks_name() -> None:
    line = HEAD.format(level="INFO") + "order 0ff1ce: paid"
    assert readable(line) == "11:01:47Z order 0ff1ce: paid"


@pytest.mark.parametrize("what", ["received", "succeeded in 0.08s: 'paid'"])
def test_the_same_told_again_by_celery_is_left_out(what: str) -> None:
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
def heard() -> list[str]:
    return []


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.kill()


def start(programs: list[Program], heard: list[str], folder: Path, script: str) -> Program:
    program = Program(
        "worker",
        [sys.executable, "-u", "-c", script],
        environment=os.environ,
        folder=folder,
        ready_mark=" ready.",
        speak=heard.append,
    )
    programs.append(program)
    return program


def test_greetings_are_held_back_and_the_rest_is_heard(
    programs: list[Program], heard: list[str], tmp_path: Path
) -> None:
    script = "print('** banner **'); print('it is ready.'); print('order 1: paid')"
    program = start(programs, heard, tmp_path, script)
    assert eventually(lambda: len(heard) == 2)
    assert program.ready
    assert heard == ["it is ready.", "order 1: paid"]


def test_the_last_words_of_one_that_never_came_up_are_kept(
    programs: list[Program], heard: list[str], tmp_path: Path
) -> None:
    program = start(programs, heard, tmp_path, "import sys; sys.exit('no such database')")
    assert eventually(lambda: not program.running)
    program.kill()
    assert heard == []
    assert not program.ready
    assert program.last_words == "no such database"
    assert program.how_it_ended == "ended with code 1"


def test_both_streams_are_heard(programs: list[Program], heard: list[str], tmp_path: Path) -> None:
    start(programs, heard, tmp_path, "import sys; print('is ready.'); print('oops', file=sys.stderr)")
    assert eventually(lambda: heard == ["is ready.", "oops"])


def test_a_line_keeps_what_people_type_and_loses_what_turns_it_round() -> None:
    assert readable(f"{FAMILY} Jean\u00a0Dupont \u202eevil") == f"{FAMILY} Jean\u00a0Dupont  evil"


def test_in_json_every_line_is_an_event() -> None:
    event = '{"event": "paid", "level": "info"}'
    assert as_event("worker", event) == event
    said = json.loads(as_event("worker", "Payment service \x1b[2J on"))
    assert (said["event"], said["logger"]) == ("Payment service \\x1b[2J on", "breakwall.up.worker")
