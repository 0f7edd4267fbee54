"""`breakwall orders place`, with a payment service or none."""

from __future__ import annotations

import pytest

from breakwall.currencies import max_amount
from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal

LINE = ["--user", "u1", "--amount", "10000", "--currency", "KRW", "--key", "cart-1"]


def test_an_order_that_can_be_charged_is_paid(terminal: Terminal, payments: SimulatorControl) -> None:
    placed = terminal.place()
    assert placed.code == 0
    assert placed.document["status"] == "paid"
    (charge,) = payments.ledger()
    assert (charge["charge_id"], charge["amount"]) == (placed.document["charge_id"], 10_000)


@pytest.mark.parametrize("currency", ["KRW", "USD", "KWD"])
def test_the_greatest_amount_of_a_currency_is_charged_to_the_last_unit(
    terminal: Terminal, payments: SimulatorControl, currency: str
) -> None:
    assert terminal.place(amount=str(max_amount(currency)), currency=currency).document["status"] == "paid"
    assert [charge["amount"] for charge in payments.ledger()] == [max_amount(currency)]
    assert terminal.show()["amount"] == max_amount(currency)


def test_an_order_that_cannot_be_charged_now_is_queued_and_that_is_a_success(terminal: Terminal) -> None:
    placed = terminal.place()
    assert placed.code == 0
    assert placed.document["status"] == "queued"
    assert terminal.show()["status"] == "queued"


def test_placing_again_with_the_same_key_changes_nothing(terminal: Terminal) -> None:
    first, second = terminal.place(), terminal.place()
    assert second.code == 0
    assert (first.document["replayed"], second.document["replayed"]) == (False, True)
    assert first.document["id"] == second.document["id"]
    assert len(terminal.run("orders", "list", "-o", "json").document) == 1


def test_a_declined_order_exits_with_refused(terminal: Terminal, payments: SimulatorControl) -> None:
    payments.set_faults(decline_rate=1.0)
    placed = terminal.place()
    assert placed.code == 4
    assert (placed.document["status"], placed.document["reason"]) == ("declined", "card_declined")
    again = terminal.run("orders", "place", *LINE)
    assert "The payment service declined it: card_declined.\n" in again.out


def test_the_same_is_reported_in_words(terminal: Terminal, payments: SimulatorControl) -> None:
    placed = terminal.run("orders", "place", *LINE)
    assert placed.code == 0
    assert placed.out.startswith("It is paid.\n")
    assert "₩10,000 from u1" in placed.out
    assert "\x1b" not in placed.out


def test_placing_a_cancelled_order_again_claims_nothing(terminal: Terminal) -> None:
    terminal.place()
    terminal.run("orders", "cancel", "cart-1")
    placed = terminal.run("orders", "place", *LINE)
    assert placed.code == 4
    assert "nothing was charged" not in placed.out


def test_a_person_waits_for_a_slow_answer_for_longer_than_a_shop_would(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    payments.set_faults(latency=1.0)
    terminal.set(PLACE__WAIT="0.1")
    assert terminal.place().document["status"] == "paid"
