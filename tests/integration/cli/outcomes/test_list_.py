"""`breakwall outcomes list`."""

from __future__ import annotations

from tests.command import Terminal


def test_it_says_what_the_shop_was_not_told_and_why(terminal: Terminal, undelivered: str) -> None:
    [found] = terminal.run("outcomes", "list", "--status", "failed", "-o", "json").document
    expected = {
        "destination": "webhook",
        "state": "failed",
        "tries": 12,
        "last_error": "HTTP 500",
        "type": "order.paid",
    }
    assert expected.items() <= found.items()
    text = terminal.run("outcomes", "list").out
    assert "HTTP 500" in text.replace("\n", " ")


def test_it_lists_one_orders_and_one_destinations(terminal: Terminal, undelivered: str) -> None:
    assert len(terminal.run("outcomes", "list", "--order", "cart-1", "-o", "json").document) == 1
    assert terminal.run("outcomes", "list", "--destination", "task", "-o", "json").document == []
    assert terminal.run("outcomes", "list", "--status", "delivered", "-o", "json").document == []
    assert terminal.run("outcomes", "list", "--order", "unknown").code == 3


def test_without_any_it_says_so(terminal: Terminal) -> None:
    ran = terminal.run("outcomes", "list")
    assert (ran.code, ran.out, ran.err) == (0, "", "No delivery matches.\n")
