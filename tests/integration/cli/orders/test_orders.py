"""`breakwall orders`, on the embedded default, against a real payment service or none."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from breakwall.currencies import max_amount
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.keys import derive_charge_key
from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal
from tests.integration.stuck_orders import ledger_of


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


CONTRACT = {
    "id",
    "idempotency_key",
    "user_id",
    "amount",
    "currency",
    "status",
    "retry_count",
    "deferral_count",
    "next_attempt_at",
    "charge_id",
    "last_error",
    "attempts",
}


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
    assert placed.document["status"] == "declined"


def test_the_same_is_told_in_words(terminal: Terminal, payments: SimulatorControl) -> None:
    line = ["--user", "u1", "--amount", "10000", "--currency", "KRW", "--key", "cart-1"]
    placed = terminal.run("orders", "place", *line)
    assert placed.code == 0
    assert placed.out.startswith("It is paid.\n")
    assert "₩10,000 from u1" in placed.out
    assert "\x1b" not in placed.out


def test_what_has_markup_in_it_is_shown_as_it_is(terminal: Terminal) -> None:
    line = ["--user", "[red]eve[/]", "--amount", "1", "--currency", "KRW", "--key", "[b]k[/b]"]
    placed = terminal.run("orders", "place", *line)
    assert "[red]eve[/]" in placed.out
    assert "[b]k[/b]" in terminal.run("orders", "show", "[b]k[/b]").out


def test_an_order_is_shown_by_its_id_and_by_its_key_with_every_attempt(terminal: Terminal) -> None:
    order_id = terminal.place().document["id"]
    shown = terminal.show("cart-1")
    assert shown == terminal.show(order_id)
    assert set(shown) >= CONTRACT
    (attempt,) = shown["attempts"]
    assert set(attempt) == {
        "number",
        "source",
        "started_at",
        "finished_at",
        "outcome",
        "code",
        "detail",
        "charge_id",
        "gateway_key",
        "settled_by",
    }
    assert attempt["gateway_key"] == shown["charge_key"] != shown["idempotency_key"]
    assert (attempt["number"], attempt["source"], attempt["outcome"]) == (1, "producer", "not_sent")


def test_the_key_that_travels_is_shown_and_that_of_an_attempt_where_it_is_another(terminal: Terminal) -> None:
    order_id = terminal.place().document["id"]
    first = terminal.show()["charge_key"]
    assert terminal.run("orders", "show", first).out.splitlines()[2].split() == ["sent", "as", first]
    with ledger_of(terminal) as ledger:
        renewed = derive_charge_key(order_id, 7)
        changed = update(orders).values(charge_key=renewed)
        ledger.database.write(lambda connection: connection.execute(changed), name="test")
    said = terminal.run("orders", "show", "cart-1").out
    assert said.splitlines()[2].split() == ["sent", "as", renewed]
    heads, attempt = said.splitlines()[-2:]
    assert heads.rstrip().endswith("sent as")
    assert attempt.rstrip().endswith(first)


def test_the_attempts_are_shown_in_words_too(terminal: Terminal) -> None:
    terminal.place()
    shown = terminal.run("orders", "show", "cart-1")
    assert shown.code == 0
    assert "queued" in shown.out
    assert "not_sent" in shown.out


def test_an_order_that_is_not_there_exits_with_not_found(terminal: Terminal) -> None:
    for command in ("show", "retry", "cancel"):
        ran = terminal.run("orders", command, "nobody", "-o", "json")
        assert (ran.code, ran.error["type"], ran.out) == (3, "not_found", "")


def test_the_newest_orders_come_first_and_not_more_than_were_asked_for(terminal: Terminal) -> None:
    for key in ("a", "b", "c"):
        terminal.place(key=key)
    listed = terminal.run("orders", "list", "--limit", "2", "-o", "json")
    assert [order["idempotency_key"] for order in listed.document] == ["c", "b"]
    assert "more than these 2" in listed.err


def test_a_list_of_one_state_holds_no_other(terminal: Terminal) -> None:
    terminal.place(key="a")
    terminal.place(key="b")
    terminal.run("orders", "cancel", "a")
    queued = terminal.run("orders", "list", "--status", "queued", "-o", "json").document
    assert [order["idempotency_key"] for order in queued] == ["b"]


def test_an_order_is_cancelled(terminal: Terminal) -> None:
    terminal.place()
    cancelled = terminal.run("orders", "cancel", "cart-1", "-o", "json")
    assert (cancelled.code, cancelled.document["status"]) == (0, "cancelled")


def test_a_cancellation_says_what_is_known_and_no_more(terminal: Terminal) -> None:
    terminal.place(key="a")
    said = terminal.run("orders", "cancel", "a").out
    assert said.startswith("It is cancelled: no attempt of it was sent.\n")
    assert "charged" not in said


@pytest.mark.parametrize(
    ("settled_by", "known"),
    [
        ("look_up", "a look-up has found no charge"),
        ("person", "a person has said that nothing was charged"),
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
    assert said.startswith("The wish is noted: it may have been charged, and a worker finds out first.")


def test_placing_a_cancelled_order_again_claims_nothing(terminal: Terminal) -> None:
    terminal.place()
    terminal.run("orders", "cancel", "cart-1")
    line = ["--user", "u1", "--amount", "10000", "--currency", "KRW", "--key", "cart-1"]
    placed = terminal.run("orders", "place", *line)
    assert placed.code == 4
    assert "nothing was charged" not in placed.out


def test_an_order_is_sent_round_again(terminal: Terminal) -> None:
    terminal.place()
    again = terminal.run("orders", "retry", "cart-1", "-o", "json")
    assert (again.code, again.document["status"]) == (0, "queued")


def test_what_the_state_does_not_allow_is_refused(terminal: Terminal, payments: SimulatorControl) -> None:
    terminal.place()
    for command in ("retry", "cancel"):
        ran = terminal.run("orders", command, "cart-1", "-o", "json")
        assert (ran.code, ran.error["type"]) == (4, "refused")
    assert terminal.show()["status"] == "paid"


def test_the_database_is_upgraded_once(terminal: Terminal, database_url: str) -> None:
    terminal.set(DATABASE_URL=database_url)
    first, second = (terminal.run("db", "upgrade", "-o", "json") for _ in range(2))
    assert first.document["before"] is None
    assert second.document["before"] == second.document["after"] == first.document["after"]
