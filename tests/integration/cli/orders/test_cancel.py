"""`breakwall orders cancel`."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from breakwall.payments.db.schema import attempts
from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal
from tests.integration.stuck_orders import ledger_of


def test_an_order_is_cancelled(terminal: Terminal) -> None:
    terminal.place()
    cancelled = terminal.run("orders", "cancel", "cart-1", "-o", "json")
    assert (cancelled.code, cancelled.document["status"]) == (0, "cancelled")


def test_a_cancellation_says_what_is_known_and_no_more(terminal: Terminal) -> None:
    terminal.place(key="a")
    said = terminal.run("orders", "cancel", "a").out
    assert said.startswith("It is cancelled: no attempt reached the payment service.\n")
    assert "charged" not in said


@pytest.mark.parametrize(
    ("settled_by", "known"),
    [
        ("look_up", "a look-up has found no charge"),
        ("person", "a person has stated that nothing was charged"),
        (None, "the payment service's answers say that nothing was charged"),
    ],
)
def test_a_cancellation_says_how_it_is_known_that_nothing_was_charged(
    terminal: Terminal, settled_by: str | None, known: str
) -> None:
    terminal.place()
    with ledger_of(terminal) as ledger:
        proven = update(attempts).values(outcome="failed", settled_by=settled_by)
        ledger.database.write(lambda connection: connection.execute(proven), name="test")
    assert terminal.run("orders", "cancel", "cart-1").out.startswith(f"It is cancelled: {known}.\n")


def test_a_cancellation_in_doubt_claims_nothing(terminal: Terminal) -> None:
    terminal.place()
    with ledger_of(terminal) as ledger:
        lost = update(attempts).values(outcome="unknown")
        ledger.database.write(lambda connection: connection.execute(lost), name="test")
    said = terminal.run("orders", "cancel", "cart-1").out
    assert said.startswith(
        "The request is recorded: the order may have been charged, and a worker finds out first."
    )


def test_what_the_state_does_not_allow_is_refused(terminal: Terminal, payments: SimulatorControl) -> None:
    terminal.place()
    for command in ("retry", "cancel"):
        ran = terminal.run("orders", command, "cart-1", "-o", "json")
        assert (ran.code, ran.error["type"]) == (4, "refused")
    assert terminal.show()["status"] == "paid"
