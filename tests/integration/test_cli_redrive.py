"""`breakwall orders retry` with the orders named, as a person uses it."""

from __future__ import annotations

import pytest

from tests.command import Terminal
from tests.integration.redrive_fixtures import OTHER_PAYLOAD, dead, in_review, states


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    short_terminal.environ["USER"] = "anna"
    return short_terminal


def test_one_order_is_due_at_once_and_who_and_why_is_noted(terminal: Terminal) -> None:
    dead(terminal, "a")
    again = terminal.run("orders", "retry", "a", "--reason", "fixed", "-o", "json")
    assert (again.code, again.document["status"]) == (0, "queued")
    (done,) = terminal.show("a")["interventions"]
    assert (done["action"], done["actor"], done["reason"]) == ("retry", "anna", "fixed")
    assert (done["before"], done["after"], done["run"]) == ("dead", "queued", None)


def test_somebody_else_can_be_named(terminal: Terminal) -> None:
    dead(terminal, "a")
    terminal.run("orders", "retry", "a", "--actor", "bert")
    assert terminal.show("a")["interventions"][0]["actor"] == "bert"


def test_what_a_retry_does_to_the_budget_is_said(terminal: Terminal) -> None:
    terminal.set(RETRY__MAX_ATTEMPTS="7")
    dead(terminal, "a", "b", "c")
    for names in (["a"], ["b", "c"]):
        said = terminal.run("orders", "retry", *names).out
        assert "a whole new budget of 7 attempts" in said
        assert "retry_count goes on counting" in said


def test_several_orders_go_round_and_one_that_cannot_is_left_and_told(terminal: Terminal) -> None:
    dead(terminal, "a", "b", "c")
    terminal.run("orders", "cancel", "b")
    ran = terminal.run("orders", "retry", "a", "b", "c", "-o", "json")
    assert ran.code == 4
    assert [order["idempotency_key"] for order in ran.document["sent_round"]] == ["a", "c"]
    assert "is cancelled" in ran.document["refused"][0]["problem"]
    assert states(terminal) == {"a": "queued", "b": "cancelled", "c": "queued"}


def test_a_name_that_is_no_orders_changes_nothing(terminal: Terminal) -> None:
    dead(terminal, "a")
    ran = terminal.run("orders", "retry", "a", "nobody")
    assert ran.code == 3
    assert states(terminal) == {"a": "dead"}


def test_a_dry_run_counts_and_changes_nothing(terminal: Terminal) -> None:
    dead(terminal, "a", "b")
    in_review(terminal, "c")
    terminal.run("orders", "cancel", "b")
    seen = terminal.run("orders", "retry", "a", "b", "c", "--dry-run", "-o", "json").document
    assert (seen["eligible"], seen["looked_up_first"], seen["skipped"]) == (2, 1, {"cancelled": 1})
    assert states(terminal) == {"a": "dead", "b": "cancelled", "c": "review"}


def test_an_order_whose_key_belongs_to_another_payload_is_refused_with_what_to_do(terminal: Terminal) -> None:
    in_review(terminal, "a", OTHER_PAYLOAD)
    ran = terminal.run("orders", "retry", "a", "-o", "json")
    assert (ran.code, ran.error["type"]) == (4, "refused")
    assert "`breakwall orders resolve`" in ran.error["message"]
    assert states(terminal) == {"a": "review"}
