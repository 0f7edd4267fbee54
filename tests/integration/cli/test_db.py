"""`breakwall db prune` and `db downgrade`, and what the other commands say of a pruned order."""

from __future__ import annotations

import sqlite3

import pytest

from breakwall.migrations import HEAD
from breakwall.payments.db.database import open_engine
from breakwall.payments.db.revisions import AFTER, BEFORE
from tests.command import Terminal
from tests.contract.migrations.older_versions import migrate_to
from tests.integration.stuck_orders import dead

PRUNE = ["db", "prune", "--older-than", "90d"]


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    """Orders of half a year ago: two that were cancelled, one that is dead."""
    dead(short_terminal, "cart-1", "cart-2", "cart-3")
    for key in ("cart-1", "cart-2"):
        assert short_terminal.run("orders", "cancel", key).code == 0
    change(short_terminal, "UPDATE orders SET settled_at = datetime('now', '-180 days') || '.000000'")
    return short_terminal


def change(terminal: Terminal, sql: str) -> None:
    with sqlite3.connect(terminal.home / "breakwall.db") as connection:
        connection.execute(sql)
    connection.close()


def keys(terminal: Terminal) -> list[str]:
    listed = terminal.run("orders", "list", "-o", "json").document
    return sorted(order["idempotency_key"] for order in listed)


class TestPruning:
    def test_in_a_dry_run_counts_and_changes_nothing(self, terminal: Terminal) -> None:
        ran = terminal.run(*PRUNE, "--dry-run", "-o", "json")
        assert (ran.code, ran.document) == (0, {"orders": 2, "keys_forgotten": 0, "dry_run": True})
        assert "2 orders pruned" in terminal.run(*PRUNE, "--dry-run").out
        assert keys(terminal) == ["cart-1", "cart-2", "cart-3"]

    def test_deletes_finished_orders_and_keeps_those_that_wait_for_a_person(self, terminal: Terminal) -> None:
        ran = terminal.run(*PRUNE, "-o", "json")
        assert (ran.code, ran.document) == (0, {"orders": 2, "keys_forgotten": 0, "finished": True})
        assert keys(terminal) == ["cart-3"]
        assert terminal.run(*PRUNE).out == "0 orders pruned, 0 keys forgotten.\n"

    def test_goes_by_the_setting_where_no_age_is_said(self, terminal: Terminal) -> None:
        terminal.set(RETENTION__DAYS="200")
        assert terminal.run("db", "prune", "-o", "json").document["orders"] == 0
        terminal.set(RETENTION__DAYS="90")
        assert terminal.run("db", "prune", "-o", "json").document["orders"] == 2

    def test_says_who_did_it_and_a_dry_run_does_not(self, terminal: Terminal) -> None:
        terminal.run(*PRUNE, "--dry-run")
        terminal.run(*PRUNE, "--actor", "kim", "--reason", "the year is over")
        [entry] = terminal.run("audit", "--action", "database", "-o", "json").document
        assert (entry["action"], entry["result"]) == ("database_prune", "done")
        assert (entry["actor"], entry["reason"]) == ("kim", "the year is over")
        assert "older than" in entry["detail"]

    @pytest.mark.parametrize(
        ("age", "shown"),
        [
            ("", "unless BREAKWALL_RETENTION__DAYS is set"),
            ("", "Missing --older-than: such as 90d"),
            ("12h", "at least a day"),
            ("5", "5 is 5 seconds; it should be at least a day"),
            ("soon", "90s, 15m, 2h, 7d"),
            ("401d", "BREAKWALL_RETENTION__KEYS_DAYS"),
        ],
    )
    def test_is_refused_without_an_age_that_makes_sense(
        self, terminal: Terminal, age: str, shown: str
    ) -> None:
        ran = terminal.run("db", "prune", *(["--older-than", age] if age else []))
        assert ran.code == 2
        assert shown in ran.err
        assert len(keys(terminal)) == 3


class TestAPrunedOrder:
    @pytest.mark.parametrize("command", [("show",), ("retry", "--reason", "x"), ("cancel",)])
    def test_is_reported_as_pruned(self, terminal: Terminal, command: tuple[str, ...]) -> None:
        terminal.run(*PRUNE)
        ran = terminal.run("orders", command[0], "cart-1", *command[1:], "-o", "json")
        assert (ran.code, ran.error["type"]) == (3, "pruned")
        shown = ran.error["order"]
        assert (shown["idempotency_key"], shown["status"], shown["charge_id"]) == (
            "cart-1",
            "cancelled",
            None,
        )
        assert shown["settled_at"] < shown["pruned_at"]
        assert "and was pruned on" in terminal.run("orders", "show", "cart-1").err

    def test_placed_again_is_answered_with_its_last_state(self, terminal: Terminal) -> None:
        terminal.run(*PRUNE)
        ran = terminal.place(key="cart-1")
        assert (ran.code, ran.document["status"], ran.document["replayed"]) == (4, "cancelled", True)
        assert terminal.place(key="cart-1", amount="1").code == 2

    def test_is_counted_by_reconcile(self, terminal: Terminal) -> None:
        terminal.run(*PRUNE)
        change(
            terminal,
            "UPDATE known_keys SET status = 'paid', charge_id = 'ch_1' WHERE idempotency_key = 'cart-1'",
        )
        header = "key,charge_id,amount,currency,status\n"
        report = f"{header}cart-1,ch_1,10000,KRW,succeeded\n".encode()
        ran = terminal.run("orders", "reconcile", "-", stdin=report)
        assert ran.code == 0
        assert "Pruned: 1 paid order of the period" in ran.out
        assert "may be forgotten (BREAKWALL_RETENTION__KEYS_DAYS)" in ran.out
        document = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=report).document
        assert (document["pruned"], document["agrees"]) == (1, True)
        assert document["forgotten_before"] is not None


class TestGoingBack:
    def test_needs_yes_without_a_terminal_and_says_what_is_deleted(self, terminal: Terminal) -> None:
        ran = terminal.run("db", "downgrade", "-o", "json")
        assert (ran.code, ran.error["type"]) == (4, "refused")
        assert "this deletes 0 tokens of the API, 0 entries of the audit trail" in ran.error["message"]
        assert "--yes" in ran.error["message"]

    def test_takes_the_database_back_by_one_version(self, terminal: Terminal) -> None:
        ran = terminal.run("db", "downgrade", "--yes", "-o", "json")
        assert (ran.document["before"], ran.document["after"]) == (HEAD, BEFORE)
        assert {"tokens_lost", "actions_lost", "bulk_retries_lost"} <= ran.document.keys()
        assert "open to everybody on this machine" in ran.err
        # Nothing is left to delete, so nothing is asked.
        again = terminal.run("db", "downgrade")
        assert (again.code, again.out) == (
            0,
            f"The orders database is at revision {BEFORE} already; nothing was changed.\n",
        )
        # The embedded database is migrated again when this version uses it.
        assert keys(terminal) == ["cart-1", "cart-2", "cart-3"]
        assert terminal.run("db", "upgrade", "-o", "json").document["before"] == HEAD

    def test_is_refused_while_a_bulk_retry_is_not_finished(self, terminal: Terminal) -> None:
        change(
            terminal,
            "INSERT INTO bulk_retries (id, name, created_at, actor, reason, selection, state) "
            "VALUES ('b1', 'outage', datetime('now') || '.000000', 'anna', 'back', '{}', 'running')",
        )
        ran = terminal.run("db", "downgrade", "--yes")
        assert ran.code == 4
        assert "1 bulk retry is not finished" in ran.err
        [entry] = terminal.run("audit", "--action", "database", "-o", "json").document
        assert (entry["action"], entry["result"]) == ("database_downgrade", "refused")

    def test_of_a_database_that_is_not_there_makes_none(self, short_terminal: Terminal) -> None:
        ran = short_terminal.run("db", "downgrade", "--yes")
        assert ran.code == 2
        assert "does not exist: run `breakwall db upgrade`, or correct BREAKWALL_DATABASE_URL" in ran.err
        assert not short_terminal.home.exists()


def test_the_doctor_tells_of_a_database_that_is_one_version_away(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL=f"sqlite:///{terminal.home}/breakwall.db", BROKER_URL="redis://127.0.0.1:9/0")
    terminal.run("db", "downgrade", "--yes")

    def found() -> tuple[bool, str]:
        findings = terminal.run("doctor", "-o", "json").document["checks"]
        (finding,) = [finding for finding in findings if finding["name"] == "database"]
        return finding["ok"], f"{finding['detail']} {finding['advice']}"

    ok, said = found()
    assert ok
    assert f"at revision {BEFORE}, before this version's {HEAD}" in said
    assert "`breakwall db upgrade`" in said
    assert terminal.run("db", "upgrade").code == 0
    change(terminal, f"UPDATE alembic_version SET version_num = '{AFTER}'")
    ok, said = found()
    assert ok
    assert f"at revision {AFTER}, after this version's {HEAD}" in said


def test_the_database_is_upgraded_once(terminal: Terminal, database_url: str) -> None:
    terminal.set(DATABASE_URL=database_url)
    first, second = (terminal.run("db", "upgrade", "-o", "json") for _ in range(2))
    assert first.document["before"] is None
    assert second.document["before"] == second.document["after"] == first.document["after"]


def test_an_upgrade_by_two_revisions_says_that_old_processes_cannot_start_again(
    terminal: Terminal, database_url: str
) -> None:
    terminal.set(DATABASE_URL=database_url)
    engine = open_engine(database_url)
    migrate_to(engine, "0007")
    engine.dispose()
    first, second = (terminal.run("db", "upgrade") for _ in range(2))
    assert "revision 0007 continue, but one that starts again is refused" in " ".join(first.err.split())
    assert "refused" not in second.err
