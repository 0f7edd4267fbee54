"""`breakwall orders retry` of named orders."""

from __future__ import annotations

from sqlalchemy import update

from breakwall.payments.db.schema import attempts
from tests.command import Terminal
from tests.integration.stuck_orders import OTHER_PAYLOAD, dead, in_review, ledger_of, make_dead, states


def test_one_order_is_due_at_once_and_who_and_why_is_recorded(terminal: Terminal) -> None:
    dead(terminal, "a")
    again = terminal.run("orders", "retry", "a", "--reason", "fixed", "-o", "json")
    assert (again.code, again.document["status"]) == (0, "queued")
    (done,) = terminal.show("a")["interventions"]
    assert (done["action"], done["actor"], done["reason"]) == ("retry", "anna", "fixed")
    assert (done["before"], done["after"], done["run"]) == ("dead", "queued", None)


def test_another_actor_can_be_named(terminal: Terminal) -> None:
    dead(terminal, "a")
    terminal.run("orders", "retry", "a", "--actor", "bert")
    assert terminal.show("a")["interventions"][0]["actor"] == "bert"


def test_what_a_retry_does_to_the_budget_is_said(terminal: Terminal) -> None:
    terminal.set(RETRY__MAX_ATTEMPTS="7")
    dead(terminal, "a", "b", "c")
    for names in (["a"], ["b", "c"]):
        said = terminal.run("orders", "retry", *names).out
        assert "a whole new budget of 7 attempts" in said
        assert "retry_count continues" in said


def test_several_orders_are_retried_and_one_that_cannot_be_is_reported(terminal: Terminal) -> None:
    dead(terminal, "a", "b", "c")
    terminal.run("orders", "cancel", "b")
    ran = terminal.run("orders", "retry", "a", "b", "c", "-o", "json")
    assert ran.code == 4
    assert [order["idempotency_key"] for order in ran.document["sent_round"]] == ["a", "c"]
    assert "is cancelled" in ran.document["refused"][0]["problem"]
    assert states(terminal) == {"a": "queued", "b": "cancelled", "c": "queued"}


def test_json_says_whether_the_order_was_released_from_a_pause(terminal: Terminal) -> None:
    dead(terminal, "a", "b")
    assert terminal.run("orders", "retry", "a", "-o", "json").document["released"] is False
    terminal.run("queue", "pause", "--reason", "maintenance")
    assert terminal.run("orders", "retry", "a", "-o", "json").document["released"] is True
    several = terminal.run("orders", "retry", "a", "b", "-o", "json").document["sent_round"]
    assert [order["released"] for order in several] == [True, True]


class TestOfASingleOrderIsSaid:
    def retry(self, terminal: Terminal, *arguments: str) -> tuple[str, bool]:
        """The sentence on what happens to it, and whether its key is another one than before."""
        before = terminal.show("a")["charge_key"]
        said = terminal.run("orders", "retry", "a", *arguments).out.splitlines()
        return said[1], terminal.show("a")["charge_key"] != before

    def test_that_it_is_sent_under_its_key(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        assert self.retry(terminal) == (
            "A worker sends it next. It keeps its key; none of its attempts is unresolved.",
            False,
        )

    def test_that_it_is_looked_up_first(self, terminal: Terminal) -> None:
        in_review(terminal, "a")
        said, rotated = self.retry(terminal)
        assert said.startswith(
            "It may have been charged: a worker looks it up before anything is sent. Until then"
        )
        assert not rotated

    def test_that_its_key_protects_it(self, terminal: Terminal) -> None:
        terminal.set(PAYMENT_DEDUPLICATES="true")
        in_review(terminal, "a")
        said, rotated = self.retry(terminal)
        assert "it keeps its key, which the payment service promises not to charge twice" in said
        assert not rotated

    def test_that_it_has_a_new_key_and_why(self, terminal: Terminal) -> None:
        refused(terminal, "a", settled_by="look_up")
        said, rotated = self.retry(terminal)
        assert said.startswith(
            "A worker sends it next, under a new key: the payment service has refused the old one"
        )
        assert rotated

    def test_that_a_refusal_is_looked_up_that_was_never_looked_up(self, terminal: Terminal) -> None:
        refused(terminal, "a", settled_by=None)
        said, rotated = self.retry(terminal)
        assert said.startswith("It may have been charged: a worker looks it up before anything is sent.")
        assert not rotated

    def test_that_it_has_a_new_key_on_a_persons_statement(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        said, rotated = self.retry(terminal, "--new-key", "--evidence", "not on the dashboard")
        assert said.startswith("A worker sends it next, under a new key: you stated")
        assert rotated
        assert terminal.show("a")["interventions"][-1]["evidence"] == "not on the dashboard"

    def test_and_in_json_is_the_key(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        ran = terminal.run("orders", "retry", "a", "-o", "json")
        assert ran.document["charge_key"] == terminal.show("a")["charge_key"]


def test_a_new_key_is_refused_where_an_attempt_may_have_charged(terminal: Terminal) -> None:
    in_review(terminal, "a")
    ran = terminal.run("orders", "retry", "a", "--new-key", "--evidence", "I think so", "-o", "json")
    assert (ran.code, ran.error["type"]) == (4, "refused")
    assert states(terminal) == {"a": "review"}


def refused(terminal: Terminal, key: str, *, settled_by: str | None) -> None:
    """A dead order that the payment service has refused; ``settled_by``: who has looked."""
    attempt = in_review(terminal, key)
    values = {"outcome": "failed", "advice": "stop", "spends_key": True, "settled_by": settled_by}
    with ledger_of(terminal) as ledger:
        of = attempts.c.order_id == attempt.claim.order_id
        ledger.database.write(
            lambda connection: connection.execute(update(attempts).where(of).values(values)), name="test"
        )
        ledger.database.write(lambda connection: make_dead(connection, (key,)), name="test")


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
