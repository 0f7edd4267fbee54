"""`breakwall orders list`."""

from __future__ import annotations

from tests.command import Terminal


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
