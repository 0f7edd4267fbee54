"""`breakwall breaker transitions`: how the circuit changed its state."""

from __future__ import annotations

from contextlib import closing

import pytest

from breakwall.payments.db.database import Database
from tests.circuit_changes import keep_transitions
from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


def keep(terminal: Terminal) -> None:
    terminal.run("db", "upgrade")
    with closing(Database(f"sqlite:///{terminal.home / 'breakwall.db'}")) as database:
        keep_transitions(database)


def test_each_has_its_moment_and_its_cause_the_newest_first(terminal: Terminal) -> None:
    keep(terminal)
    ran = terminal.run("breaker", "transitions")
    assert ran.code == 0
    assert [line.split()[2:4] for line in ran.out.splitlines()[1:]] == [
        ["UTC", "half_open"],
        ["UTC", "open"],
        ["UTC", "closed"],
    ]
    assert "3 failures" in ran.out.splitlines()[-1]


def test_the_json_has_what_the_api_has(terminal: Terminal) -> None:
    keep(terminal)
    ran = terminal.run("breaker", "transitions", "--limit", "1", "-o", "json")
    assert ran.document == [
        {
            "at": "2026-11-28T12:00:03+00:00",
            "before": "half_open",
            "after": "closed",
            "cause": "probes_succeeded",
            "failures": None,
            "generation": 3,
            "open_count": 1,
        }
    ]
    assert "more than these 1" in ran.err


def test_without_any_it_says_so(terminal: Terminal) -> None:
    ran = terminal.run("breaker", "transitions")
    assert (ran.code, ran.out) == (0, "")
    assert "No transition" in ran.err
