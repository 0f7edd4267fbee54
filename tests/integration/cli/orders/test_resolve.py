"""`breakwall orders resolve`: a person finishes an order."""

from __future__ import annotations

import pytest

from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.orders import OrderStatus
from tests.command import Terminal
from tests.integration.stuck_orders import dead, in_review, ledger_of, states

CHARGED = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_late")


def in_state(terminal: Terminal, status: str) -> None:
    """The order cart-1."""
    dead(terminal, "cart-1")
    if status == "cancelled":
        terminal.run("orders", "cancel", "cart-1")
    elif status != "dead":
        terminal.run("orders", "retry", "cart-1")
    with ledger_of(terminal) as ledger:
        if status in {"in_flight", "declined"}:
            claim = ledger.claim(terminal.show()["id"])
            assert claim is not None
        if status == "declined":
            ledger.close_claim(claim, OrderStatus.DECLINED, "Declined.")
    assert terminal.show()["status"] == status


class TestResolving:
    def test_as_paid_makes_it_paid_with_that_charge(self, terminal: Terminal) -> None:
        in_review(terminal)
        ran = terminal.run("orders", "resolve", "cart-1", "--paid", "ch_7", "-o", "json")
        assert ran.code == 0
        assert (ran.document["status"], ran.document["charge_id"]) == ("paid", "ch_7")
        (done,) = terminal.show()["interventions"]
        assert (done["action"], done["actor"], done["evidence"]) == ("resolve_paid", "anna", "ch_7")

    def test_as_not_charged_makes_it_dead_and_free_to_be_retried(self, terminal: Terminal) -> None:
        in_review(terminal)
        ran = terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "dashboard")
        assert ran.code == 0
        assert ran.out.startswith("It is dead: you stated that nothing was charged.")
        assert terminal.show()["attempts"][0]["outcome"] == "failed"
        assert terminal.run("orders", "retry", "cart-1").code == 0

    def test_as_not_charged_is_refused_outside_of_a_review(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        ran = terminal.run("orders", "resolve", "a", "--not-charged", "--reason", "x", "-o", "json")
        assert (ran.code, ran.error["type"]) == (4, "refused")
        assert states(terminal) == {"a": "dead"}

    @pytest.mark.parametrize("status", ["queued", "in_flight", "dead", "declined", "cancelled"])
    def test_as_paid_takes_any_order_that_is_not_with_a_reason(self, terminal: Terminal, status: str) -> None:
        in_state(terminal, status)
        line = ["orders", "resolve", "cart-1", "--paid", "ch_7", "-o", "json"]
        ran = terminal.run(*line)
        assert (ran.code, ran.out) == (2, "")
        assert "--reason" in ran.error["message"]
        assert f"the order is {status}: how is it known" in ran.error["message"]
        assert terminal.show()["status"] == status
        ran = terminal.run(*line, "--reason", "in the report of May")
        assert (ran.code, ran.document["status"], ran.document["charge_id"]) == (0, "paid", "ch_7")
        done = terminal.show()["interventions"][-1]
        assert (done["before"], done["evidence"], done["reason"]) == (status, "ch_7", "in the report of May")

    def test_a_paid_order_is_refused(self, terminal: Terminal) -> None:
        in_review(terminal)
        line = ["orders", "resolve", "cart-1", "--paid", "ch_7", "--reason", "x", "-o", "json"]
        assert terminal.run(*line).code == 0
        ran = terminal.run(*line)
        assert (ran.code, ran.error["type"]) == (4, "refused")

    def test_takes_the_charge_on_the_account_that_is_set(self, terminal: Terminal) -> None:
        """Ids of charges are unique within one."""
        for account, key in (("first", "a"), ("second", "b")):
            in_review(terminal, key)
            terminal.set(PAYMENT_ACCOUNT=account)
            assert terminal.run("orders", "resolve", key, "--paid", "ch_7").code == 0
        in_review(terminal, "c")
        assert terminal.run("orders", "resolve", "c", "--paid", "ch_7").code == 4

    def test_is_refused_with_a_charge_of_another_order(self, terminal: Terminal) -> None:
        for key in ("a", "b"):
            in_review(terminal, key)
        assert terminal.run("orders", "resolve", "a", "--paid", "ch_7").code == 0
        ran = terminal.run("orders", "resolve", "b", "--paid", "ch_7", "-o", "json")
        assert (ran.code, states(terminal)["b"]) == (4, "review")

    def test_of_an_unknown_order_is_not_found(self, terminal: Terminal) -> None:
        terminal.run("db", "upgrade")
        assert terminal.run("orders", "resolve", "nobody", "--paid", "ch_7").code == 3

    def test_against_the_facts_ends_in_an_incident_that_everybody_shows(self, terminal: Terminal) -> None:
        """`orders show` tells it, `backlog` counts it, `doctor` finds it."""
        late = in_review(terminal)
        terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "dashboard")
        with ledger_of(terminal) as ledger:
            ledger.record(late, CHARGED, Decision(OrderStatus.PAID))
        shown = terminal.show()
        assert (shown["status"], shown["charge_id"]) == ("paid", "ch_late")
        assert [incident["kind"] for incident in shown["incidents"]] == ["charged_after_resolution"]
        assert "charged_after_resolution" in terminal.run("orders", "show", "cart-1").out
        assert terminal.run("backlog", "-o", "json").document["incidents"] == 1
        assert "ch_late" in terminal.run("doctor").out

    def test_is_shown_with_what_people_did(self, terminal: Terminal) -> None:
        in_review(terminal)
        terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "[b]not[/b] there")
        shown = terminal.run("orders", "show", "cart-1").out
        assert "resolve_not_charged" in shown
        assert "review → dead" in shown
        assert "[b]not[/b] there" in shown
