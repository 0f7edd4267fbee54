"""`breakwall queue rate`."""

from __future__ import annotations

import pytest

from tests.command import Terminal


def test_it_says_the_limit_who_set_it_and_why(terminal: Terminal) -> None:
    ran = terminal.run("queue", "rate", "2.5", "--reason", "it answers 429", "--actor", "alice")
    assert ran.code == 0
    assert "All workers together send at most 2.5 waiting orders a second." in ran.out
    assert "rate    2.5 orders a second, by alice since " in ran.out
    assert ran.out.rstrip().endswith(": it answers 429")


def test_none_lifts_it(terminal: Terminal) -> None:
    terminal.run("queue", "rate", "2.5", "--reason", "x")
    assert terminal.run("queue", "rate", "none", "--reason", "x", "-o", "json").document["rate"] is None
    assert "rate    no limit" in terminal.run("queue", "rate", "none", "--reason", "x").out


def test_a_lower_setting_is_named(terminal: Terminal) -> None:
    terminal.set(RETRY__MAX_RATE="2")
    lower = "BREAKWALL_RETRY__MAX_RATE is lower: 2 orders a second."
    assert lower in terminal.run("queue", "rate", "5", "--reason", "x").out
    assert lower in terminal.run("queue", "rate", "none", "--reason", "x").out
    assert lower not in terminal.run("queue", "rate", "1", "--reason", "x").out


@pytest.mark.parametrize("number", ["0", "-1", "nan", "inf", "1e7", "many", ""])
def test_a_number_that_is_no_rate_is_wrong_usage(terminal: Terminal, number: str) -> None:
    ran = terminal.run("queue", "rate", "--reason", "x", "--", number)
    assert (ran.code, ran.out) == (2, "")
    assert "should be a number of orders a second, more than 0" in ran.err


def test_it_needs_a_reason(terminal: Terminal) -> None:
    assert "Missing option '--reason'" in terminal.run("queue", "rate", "5").err
