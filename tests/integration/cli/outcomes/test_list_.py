"""`breakwall outcomes list`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

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


def test_while_the_circuit_is_open_the_next_try_is_the_circuits(
    terminal: Terminal, undelivered: str, open_circuit: Callable[[], None]
) -> None:
    assert terminal.run("outcomes", "redeliver", undelivered, "-o", "json").document["held"] == {}
    [before] = terminal.run("outcomes", "list", "-o", "json").document
    open_circuit()
    [found] = terminal.run("outcomes", "list", "-o", "json").document
    assert (before["held"], found["held"]["by"]) == (None, "circuit")
    until = f"{datetime.fromisoformat(found['held']['until']):%Y-%m-%d %H:%M:%S} UTC"
    text = terminal.run("outcomes", "list")
    assert until in text.out
    assert f"the circuit of the webhook is open: one outcome is tried at {until}" in text.err
    again = terminal.run("outcomes", "redeliver", undelivered)
    assert (again.out, until in again.err) == ("1 delivery is due now.\n", True)


def test_an_event_for_a_webhook_that_is_gone_is_not_tried_before_it_is_enabled(
    terminal: Terminal, undelivered: str, run_sql: Callable[[str], None]
) -> None:
    terminal.run("outcomes", "redeliver", undelivered)
    run_sql("UPDATE destinations SET gone = 'digest'")
    ran = terminal.run("outcomes", "list")
    assert "not before enable" in ran.out
    assert "`breakwall outcomes enable webhook`" in ran.err


def test_on_a_terminal_a_long_error_is_wrapped(
    terminal: Terminal, undelivered: str, run_sql: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(f"UPDATE deliveries SET last_error = '{'long words ' * 20}'")
    monkeypatch.setattr("breakwall.terminal.output.screen", lambda: (140, 24))
    lines = terminal.run("outcomes", "list").out.splitlines()
    assert len(lines) > 4
    assert max(map(len, lines)) <= 140


def test_an_order_is_named_by_its_key(terminal: Terminal, undelivered: str) -> None:
    assert "cart-1" in terminal.run("outcomes", "list").out.splitlines()[1]


def test_without_any_it_says_so(terminal: Terminal) -> None:
    ran = terminal.run("outcomes", "list")
    assert (ran.code, ran.out, ran.err) == (0, "", "No delivery matches.\n")


def test_an_order_is_shown_with_what_the_shop_was_told(terminal: Terminal, undelivered: str) -> None:
    [outcome] = terminal.show("cart-1")["outcomes"]
    shown = (outcome["event_id"], outcome["destination"], outcome["state"], outcome["last_error"])
    assert shown == (undelivered, "webhook", "failed", "HTTP 500")
    heads, row = terminal.run("orders", "show", "cart-1").out.splitlines()[-2:]
    assert heads.split() == ["event", "type", "to", "state", "tries", "at", "last", "error"]
    assert row.split()[1:5] == ["order.paid", "webhook", "failed", "12"]
