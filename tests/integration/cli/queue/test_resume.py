"""`breakwall queue resume`."""

from __future__ import annotations

from tests.command import Terminal


def test_it_ends_the_pause_and_a_second_time_it_is_no_error(terminal: Terminal) -> None:
    terminal.run("queue", "pause", "--reason", "x")
    ran = terminal.run("queue", "resume", "--reason", "the service is back")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("The queue is no longer paused: workers send the waiting orders.\npaused  no\n")
    again = terminal.run("queue", "resume")
    assert (again.code, again.out.splitlines()[0]) == (0, "The queue was not paused.")


def test_json_is_the_state_afterwards(terminal: Terminal) -> None:
    terminal.run("queue", "rate", "5", "--reason", "slow")
    terminal.run("queue", "pause", "--reason", "x")
    document = terminal.run("queue", "resume", "-o", "json").document
    assert document["paused"] is None
    assert document["rate"]["per_second"] == 5.0
