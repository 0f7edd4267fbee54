"""`breakwall orders bulk-retries`, and the options of `orders retry --all` that make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from tests.command import Terminal
from tests.integration.stuck_orders import dead, ledger_of, states

RETRY = ["orders", "retry", "--all", "--status", "dead", "--reason", "key rotated", "--yes"]
BULK = ["orders", "bulk-retries"]


@contextmanager
def worker(terminal: Terminal) -> Iterator[BulkRetryRunner]:
    with ledger_of(terminal) as ledger:
        yield BulkRetryRunner(ledger.database, sleep=lambda seconds: None)


def detached(terminal: Terminal, *options: str) -> str:
    bulk_id: str = terminal.run(*RETRY, "--detach", *options, "-o", "json").document["id"]
    return bulk_id


class TestDetached:
    def test_it_retries_nothing_itself_and_says_how_to_watch_it(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        ran = terminal.run(*RETRY, "--detach", "--name", "incident 7")
        (made,) = terminal.run(*BULK, "list", "-o", "json").document
        assert ran.code == 0
        assert f"Bulk retry {made['id']} is made: incident 7." in ran.out
        assert f"breakwall orders bulk-retries show {made['id']}" in ran.out
        assert states(terminal) == {"a": "dead"}

    def test_a_worker_does_it(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        bulk_id = detached(terminal)
        with worker(terminal) as runner:
            list(runner.run(bulk_id))
        assert states(terminal) == {"a": "queued"}
        assert terminal.run(*BULK, "show", bulk_id, "-o", "json").document["retried"] == 1


class TestItsOptions:
    def test_name_and_rate_are_kept(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        bulk_id = terminal.run(*RETRY, "--name", "incident 7", "--rate", "1000", "-o", "json").document[
            "bulk_retry"
        ]
        seen = terminal.run(*BULK, "show", bulk_id, "-o", "json").document
        assert (seen["name"], seen["rate"], seen["state"]) == ("incident 7", 1000.0, "finished")

    def test_without_a_name_it_has_that_of_its_reason(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        terminal.run(*RETRY)
        (made,) = terminal.run(*BULK, "list", "-o", "json").document
        assert made["name"].startswith("key rotated, 20")

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            (["--rate", "0"], "--rate"),
            (["--rate", "nan"], "--rate"),
            (["--name", ""], "--name"),
            (["--detach", "--dry-run"], "--detach"),
        ],
    )
    def test_a_wrong_one_is_a_usage_error(self, terminal: Terminal, wrong: list[str], named: str) -> None:
        dead(terminal, "a")
        ran = terminal.run(*RETRY, *wrong)
        assert ran.code == 2
        assert named in ran.err
        assert states(terminal) == {"a": "dead"}

    @pytest.mark.parametrize("option", [["--name", "x"], ["--rate", "1"], ["--detach"]])
    def test_one_without_all_is_a_usage_error(self, terminal: Terminal, option: list[str]) -> None:
        dead(terminal, "a")
        ran = terminal.run("orders", "retry", "a", *option)
        assert (ran.code, "needs --all" in ran.err) == (2, True)


class TestOnTablesOfTheVersionBefore:
    def test_it_is_refused_with_what_to_run_and_a_dry_run_works(self, terminal: Terminal) -> None:
        # The embedded database would be migrated by the next command.
        terminal.set(DATABASE_URL=f"sqlite:///{terminal.folder}/own.db")
        terminal.run("db", "upgrade")
        terminal.run("db", "downgrade", "--yes")
        ran = terminal.run(*RETRY, "-o", "json")
        assert (ran.code, ran.out) == (2, "")
        assert "breakwall db upgrade" in ran.error["message"]
        assert terminal.run(*RETRY[:-1], "--dry-run", "-o", "json").document["eligible"] == 0


class TestAborting:
    def test_it_retries_no_more(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        bulk_id = detached(terminal)
        ran = terminal.run(*BULK, "abort", bulk_id, "--reason", "wrong orders", "--actor", "bert")
        assert (ran.code, ran.out) == (0, "It is aborted. 0 orders of 0 were retried, and stay so.\n")
        with worker(terminal) as runner:
            runner.run_once()
        assert states(terminal) == {"a": "dead"}
        shown = terminal.run(*BULK, "show", bulk_id).out
        assert "by bert: wrong orders" in shown

    def test_it_needs_a_reason(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        assert terminal.run(*BULK, "abort", detached(terminal)).code == 2

    def test_one_that_has_ended_is_refused(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        bulk_id = terminal.run(*RETRY, "-o", "json").document["bulk_retry"]
        ran = terminal.run(*BULK, "abort", bulk_id, "--reason", "late", "-o", "json")
        assert (ran.code, ran.error["type"]) == (4, "refused")


class TestShowing:
    def test_says_how_far_it_is_and_what_is_left(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b", "c")
        bulk_id = detached(terminal, "--rate", "0.5")
        with worker(terminal) as runner:
            runner.run_once()
            runner.run_once()
            runner.run_once()
        shown = terminal.run(*BULK, "show", bulk_id).out
        assert "0.5 orders a second" in shown
        assert "3 orders, of which 0 are looked up first" in shown
        assert "2 orders, about 4.0 s" in shown

    def test_one_that_does_not_exist_is_not_found(self, terminal: Terminal) -> None:
        terminal.run("db", "upgrade")
        ran = terminal.run(*BULK, "show", "x", "-o", "json")
        assert (ran.code, ran.error["type"]) == (3, "not_found")


def test_the_list_says_that_there_is_none(terminal: Terminal) -> None:
    terminal.run("db", "upgrade")
    ran = terminal.run(*BULK, "list")
    assert (ran.code, ran.out, ran.err) == (0, "", "There is no bulk retry.\n")


def test_the_list_shows_each_in_a_line(terminal: Terminal) -> None:
    dead(terminal, "a")
    terminal.run(*RETRY, "--name", "incident 7")
    (head, line) = terminal.run(*BULK, "list").out.splitlines()
    assert head.split()[:4] == ["bulk", "retry", "name", "state"]
    assert "incident 7" in line
    assert "finished" in line
