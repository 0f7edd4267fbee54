"""`breakwall outcomes enable` and `breakwall outcomes forget`."""

from __future__ import annotations

from collections.abc import Callable

from tests.command import Terminal


def test_enable_says_whether_the_webhook_was_gone(
    terminal: Terminal, undelivered: str, run_sql: Callable[[str], None]
) -> None:
    run_sql("UPDATE destinations SET gone = 'digest'")
    assert terminal.run("outcomes", "enable", "webhook").out == "The webhook is enabled.\n"
    assert "enabled already" in terminal.run("outcomes", "enable", "webhook").out


def test_forget_gives_up_what_waits(terminal: Terminal, undelivered: str) -> None:
    terminal.run("outcomes", "redeliver", undelivered)
    refused = terminal.run("outcomes", "forget", "webhook")
    assert refused.code == 4
    done = terminal.run("outcomes", "forget", "webhook", "--yes", "-o", "json").document
    assert done == {"destination": "webhook", "known": True, "given_up": 1}
    assert terminal.run("outcomes", "list", "--status", "failed", "-o", "json").document[0]["tries"] == 0
    assert "was not known" in terminal.run("outcomes", "forget", "webhook", "--yes").out
