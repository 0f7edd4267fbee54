"""`breakwall queue pause`: who, why, since when, and what a script sees."""

from __future__ import annotations

import pytest

from tests.command import Terminal


def test_it_says_what_holds_who_did_it_and_why(terminal: Terminal) -> None:
    ran = terminal.run("queue", "pause", "--reason", "maintenance [red]", "--actor", "alice")
    assert ran.code == 0
    assert "The queue is paused: no worker sends a waiting order." in ran.out
    assert "paused  by alice since " in ran.out
    assert ran.out.rstrip().splitlines()[-2].endswith(": maintenance [red]")
    assert "rate    no limit" in ran.out


def test_json_has_who_why_since_when_and_until_when(terminal: Terminal) -> None:
    line = ("queue", "pause", "--reason", "x", "--actor", "alice", "--for", "10m", "-o", "json")
    paused = terminal.run(*line).document["paused"]
    assert (paused["actor"], paused["reason"]) == ("alice", "x")
    assert paused["at"] < paused["until"]


def test_pausing_again_keeps_the_beginning_and_takes_the_new_reason(terminal: Terminal) -> None:
    first = terminal.run("queue", "pause", "--reason", "one", "--for", "10m", "-o", "json").document["paused"]
    assert "was paused already" in terminal.run("queue", "pause", "--reason", "two").out
    second = terminal.run("queue", "pause", "--reason", "three", "-o", "json").document["paused"]
    assert (second["at"], second["reason"], second["until"]) == (first["at"], "three", None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "Missing option '--reason'"),
        (("--reason", ""), "--reason"),
        (("--reason", "x", "--for", "0s"), "should be longer than 0 s"),
        (("--reason", "x", "--for", "soon"), "should be a number with s, m, h or d"),
        (("--reason", "x", "--actor", "a\nb"), "--actor"),
    ],
)
def test_wrong_usage_changes_nothing(terminal: Terminal, options: tuple[str, ...], told: str) -> None:
    ran = terminal.run("queue", "pause", *options)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert "was not paused" in terminal.run("queue", "resume").out


def test_a_database_that_does_not_answer_is_a_failure(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL="postgresql://u@127.0.0.1:9/x")
    ran = terminal.run("queue", "pause", "--reason", "x", "-o", "json")
    assert (ran.code, ran.out) == (1, "")
    assert "does not answer" in ran.error["message"]


def test_the_doctor_says_that_it_is_paused(terminal: Terminal) -> None:
    terminal.run("queue", "pause", "--reason", "maintenance", "--actor", "alice")
    checks = terminal.run("doctor", "-o", "json").document["checks"]
    (finding,) = [check for check in checks if "paused" in check["detail"]]
    assert (finding["name"], finding["ok"]) == ("queue", False)
    assert "paused by alice" in finding["detail"]
    assert "`breakwall queue resume`" in finding["advice"]
