"""`breakwall orders show`."""

from __future__ import annotations

from sqlalchemy import update

from breakwall.payments.db.schema import orders
from breakwall.payments.keys import derive_charge_key
from tests.command import Terminal
from tests.integration.stuck_orders import ledger_of

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
        "prepared",
    }
    assert attempt["gateway_key"] == shown["charge_key"] != shown["idempotency_key"]
    assert (attempt["number"], attempt["source"], attempt["outcome"]) == (1, "producer", "not_sent")


def test_the_key_that_travels_is_shown_and_that_of_an_attempt_where_it_is_another(terminal: Terminal) -> None:
    order_id = terminal.place().document["id"]
    first = terminal.show()["charge_key"]
    assert terminal.run("orders", "show", first).out.splitlines()[2].split() == [
        *("sent", "as", first, "to", "http")
    ]
    with ledger_of(terminal) as ledger:
        rotated = derive_charge_key(order_id, 7)
        changed = update(orders).values(charge_key=rotated)
        ledger.database.write(lambda connection: connection.execute(changed), name="test")
    said = terminal.run("orders", "show", "cart-1").out
    assert said.splitlines()[2].split()[:3] == ["sent", "as", rotated]
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
