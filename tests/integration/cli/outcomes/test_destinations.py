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


def test_what_is_in_use_is_not_forgotten(
    terminal: Terminal, undelivered: str, run_sql: Callable[[str], None]
) -> None:
    terminal.set(OUTCOMES__LISTENER="shop.hooks:hear")
    ran = terminal.run("outcomes", "forget", "listener", "--yes")
    assert (ran.code, "BREAKWALL_OUTCOMES__LISTENER is set here" in ran.err) == (4, True)
    run_sql(
        """
        INSERT INTO workers (id, name, host, pid, slots, version, reads, started_at, seen_at, ways)
            SELECT '1', 'celery@w1', 'w1', 1, 1, '1', 2, now, now, 'webhook'
            FROM (SELECT CURRENT_TIMESTAMP || '.000000' AS now);
        """
    )
    ran = terminal.run("outcomes", "forget", "webhook", "--yes")
    assert (ran.code, "in use by live workers (1: celery@w1)" in ran.err) == (4, True)
