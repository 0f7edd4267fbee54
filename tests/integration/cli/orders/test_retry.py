"""Wrong usage of `breakwall orders retry|cancel|resolve|reconcile`."""

from __future__ import annotations

import pytest

from tests.command import Terminal
from tests.integration.stuck_orders import dead, states


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["retry"], "ID|KEY"),
        (["retry", "a", "--all", "--status", "dead"], "--all"),
        (["retry", "--all", "--reason", "x"], "--status"),
        (["retry", "--all", "--status", "paid", "--reason", "x"], "--status"),
        (["retry", "--all", "--status", "dead"], "--reason"),
        (["retry", "--all", "--status", "dead", "--reason", " "], "--reason"),
        (["retry", "--all", "--status", "dead", "--reason", "x" * 501], "--reason"),
        (["retry", "a", "--actor", ""], "--actor"),
        (["retry", "a", "--limit", "3"], "--limit"),
        (["retry", "a", "--older-than", "1h"], "--older-than"),
        (["retry", "--all", "--status", "dead", "--limit", "0"], "--limit"),
        (["retry", "--all", "--status", "dead", "--dry-run", "--older-than", "-1h"], "--older-than"),
        (["retry", "--all", "--status", "dead", "--dry-run", "--older-than", "soon"], "--older-than"),
        (["retry", "--all", "--status", "dead", "--dry-run", "--currency", "WON"], "--currency"),
        (["retry", "a", "--rejected"], "--rejected"),
        (["retry", "a", "--evidence", "x"], "--evidence"),
        (["retry", "a", "--new-key"], "--evidence"),
        (["retry", "a", "--new-key", "--evidence", " "], "--evidence"),
        (["retry", "a", "--new-key", "--evidence", "x" * 256], "--evidence"),
        (["retry", "a", "--new-key", "--evidence", "x", "--dry-run"], "--new-key"),
        (["retry", "a", "b", "--new-key", "--evidence", "x"], "--new-key"),
        (
            ["retry", "--all", "--status", "dead", "--reason", "x", "--new-key", "--evidence", "x"],
            "--new-key",
        ),
        (["cancel", "a", "--reason", ""], "--reason"),
        (["resolve", "a"], "--paid"),
        (["resolve", "a", "--paid", "ch_1", "--not-charged", "--reason", "x"], "--paid"),
        (["resolve", "a", "--not-charged"], "--reason"),
        (["resolve", "a", "--paid", ""], "--paid"),
        (["reconcile", "nowhere.csv"], "nowhere.csv"),
        (["reconcile", "-", "--since", "yesterday"], "--since"),
        (["reconcile", "-", "--since", "2026-01-02", "--until", "2026-01-01"], "--until"),
    ],
)
def test_wrong_usage_is_reported_with_the_option_and_changes_nothing(
    terminal: Terminal, arguments: list[str], named: str
) -> None:
    dead(terminal, "a")
    ran = terminal.run("orders", *arguments, "-o", "json")
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.error["message"]
    assert states(terminal) == {"a": "dead"}
    assert terminal.show("a")["interventions"] == []
