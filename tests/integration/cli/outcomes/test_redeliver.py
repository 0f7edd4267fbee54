"""`breakwall outcomes redeliver`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.command import Terminal


@pytest.mark.parametrize("by", ["id", "order", "all"])
def test_an_event_that_was_given_up_is_due_again(terminal: Terminal, undelivered: str, by: str) -> None:
    chosen = {"id": [undelivered], "order": ["--order", "cart-1"], "all": ["--all-failed"]}[by]
    assert terminal.run("outcomes", "redeliver", *chosen, "-o", "json").document == {
        "redelivered": 1,
        "left_out": {},
        "held": {},
    }
    [found] = terminal.run("outcomes", "list", "-o", "json").document
    assert (found["state"], found["tries"], found["event_id"]) == ("waiting", 0, undelivered)


def test_it_says_how_many(terminal: Terminal, undelivered: str) -> None:
    assert terminal.run("outcomes", "redeliver", "--all-failed").out == "1 delivery is due now.\n"
    assert terminal.run("outcomes", "redeliver", "--all-failed").out == "0 deliveries are due now.\n"


def test_it_says_what_was_left_out(
    terminal: Terminal, undelivered: str, run_sql: Callable[[str], None]
) -> None:
    run_sql("DELETE FROM destinations")
    ran = terminal.run("outcomes", "redeliver", "--all-failed")
    assert ran.out == "0 deliveries are due now.\n"
    assert "1 delivery was left out: the webhook is forgotten." in ran.err


def test_an_unknown_event_is_not_found(terminal: Terminal, undelivered: str) -> None:
    ran = terminal.run("outcomes", "redeliver", "evt_1_aaaaaaaaaaaaaaaa", "-o", "json")
    assert (ran.code, ran.error["type"]) == (3, "not_found")


def test_something_has_to_be_chosen(terminal: Terminal) -> None:
    for options in ([], ["--destination", "task"]):
        ran = terminal.run("outcomes", "redeliver", *options)
        assert ran.code == 2
        assert "Missing an event: name one or more, or use --order ORDER or --all-failed" in ran.err
    assert terminal.run("outcomes", "redeliver", "evt_1_aaaaaaaaaaaaaaaa", "--all-failed").code == 2
