"""`breakwall orders suspect`, after a database was restored from a backup."""

from __future__ import annotations

import pytest

from tests.command import Terminal
from tests.integration.stuck_orders import dead, in_review, ledger_of

SINCE = "2026-01-01T12:00+09:00"
UTC_SINCE = "2026-01-01T03:00:00+00:00"
LINE = ["orders", "suspect", "--since", SINCE]
DO = [*LINE, "--reason", "restored", "--yes"]


@pytest.fixture
def terminal(terminal: Terminal) -> Terminal:
    dead(terminal, "a", "b")
    in_review(terminal, "r")
    return terminal


def suspected(terminal: Terminal) -> list[str]:
    listed = terminal.run("orders", "list", "-o", "json").document
    return sorted(order["idempotency_key"] for order in listed if order["suspected_at"])


def test_a_dry_run_counts_by_state_and_changes_nothing(terminal: Terminal) -> None:
    ran = terminal.run(*LINE, "--dry-run", "-o", "json")
    assert ran.code == 0
    assert ran.document == {
        "dry_run": True,
        "since": UTC_SINCE,
        "suspected": {"dead": 2, "review": 1},
        "orders": 3,
        "noted_before": 0,
    }
    assert suspected(terminal) == []


def test_it_counts_in_words_too(terminal: Terminal) -> None:
    said = terminal.run(*LINE, "--dry-run").out.splitlines()
    assert said[0] == "A dry run: nothing was changed."
    assert [line.split()[:2] for line in said[1:5]] == [
        ["queued", "0"],
        ["in_flight", "0"],
        ["review", "1"],
        ["dead", "2"],
    ]


def test_every_open_order_is_suspected_and_the_next_step_is_named(terminal: Terminal) -> None:
    ran = terminal.run(*DO, "-o", "json")
    assert (ran.code, suspected(terminal)) == (0, ["a", "b", "r"])
    assert ran.document == {
        "since": UTC_SINCE,
        "suspected": {"dead": 2, "review": 1},
        "orders": 3,
        "finished": True,
        "next": f"breakwall orders reconcile REPORT --since {UTC_SINCE}",
    }


def test_the_next_step_is_named_in_words_too(terminal: Terminal) -> None:
    said = terminal.run(*DO).out
    assert said.startswith("3 orders are looked up before anything is sent. Next, before a worker starts: ")
    assert f"breakwall orders reconcile REPORT --since {UTC_SINCE}" in said


def test_who_and_why_is_recorded_with_the_time_of_the_backup(terminal: Terminal) -> None:
    terminal.run(*DO)
    shown = terminal.show("a")
    (done,) = shown["interventions"]
    assert (done["action"], done["actor"], done["reason"]) == ("suspect", "anna", "restored")
    assert (done["evidence"], done["before"], done["after"]) == (UTC_SINCE, "dead", "dead")
    said = terminal.run("orders", "show", "a").out
    assert "looked up before anything is sent" in said
    assert UTC_SINCE in said


def test_a_second_run_does_the_rest_and_records_no_order_twice(terminal: Terminal) -> None:
    terminal.run(*DO)
    dead(terminal, "late")
    assert terminal.run(*LINE, "--dry-run", "-o", "json").document["noted_before"] == 3
    assert terminal.run(*DO, "-o", "json").document["suspected"] == {"dead": 1}
    again = terminal.run(*DO)
    assert again.out.startswith("Every open order was suspected before; nothing was changed.")
    assert len(terminal.show("a")["interventions"]) == 1


def test_it_is_refused_without_a_terminal_to_ask_on(terminal: Terminal) -> None:
    ran = terminal.run(*LINE, "--reason", "restored", "-o", "json")
    assert (ran.code, ran.error["type"], ran.out) == (4, "refused", "")
    assert "--yes" in ran.error["message"]
    assert suspected(terminal) == []


@pytest.mark.parametrize(("answer", "code", "found"), [("y", 0, ["a", "b", "r"]), ("n", 1, [])])
def test_it_asks_on_a_terminal(terminal: Terminal, answer: str, code: int, found: list[str]) -> None:
    ran = terminal.run_attended(*LINE, "--reason", "restored", answer=f"{answer}\n")
    assert "Have them looked up before anything is sent?" in ran.out
    assert "dead" in ran.out
    assert (ran.code, suspected(terminal)) == (code, found)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--since"),
        (["--since", SINCE, "--yes"], "--reason"),
        (["--since", SINCE, "--yes", "--reason", " "], "--reason"),
        (["--since", "yesterday", "--yes", "--reason", "x"], "--since"),
        (["--since", "2199-01-01", "--yes", "--reason", "x"], "--since"),
        (["--since", "2199-01-01", "--dry-run"], "--since"),
        (["--since", "9999-12-31T23:59-14:00", "--dry-run"], "--since"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_and_changes_nothing(
    terminal: Terminal, arguments: list[str], named: str
) -> None:
    ran = terminal.run("orders", "suspect", *arguments, "-o", "json")
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.error["message"]
    assert suspected(terminal) == []


def test_a_retry_afterwards_says_that_the_order_is_looked_up_first(terminal: Terminal) -> None:
    terminal.run(*DO)
    said = terminal.run("orders", "retry", "a").out
    assert "a worker looks it up before anything is sent" in said


def test_a_cancellation_afterwards_claims_nothing(terminal: Terminal) -> None:
    terminal.run(*DO)
    ran = terminal.run("orders", "cancel", "a")
    assert ran.out.startswith(
        "The request is recorded: the order may have been charged, and a worker finds out first."
    )
    assert terminal.show("a")["status"] == "queued"


def test_a_claim_that_somebody_holds_is_worth_nothing_any_more(terminal: Terminal) -> None:
    terminal.run("orders", "retry", "a")
    with ledger_of(terminal) as ledger:
        claim = ledger.claim(terminal.show("a")["id"])
        assert claim is not None
        terminal.run(*DO)
        assert ledger.begin_attempt(claim) is None
