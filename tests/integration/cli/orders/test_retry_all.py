"""`breakwall orders retry --all`: every order that matches, in one run."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from sqlalchemy import Connection, func, select, update

from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.operator_tables import leases
from breakwall.payments.db.schema import interventions, orders
from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal, command_line
from tests.integration.stuck_orders import OTHER_PAYLOAD, dead, in_review, ledger_of, states
from tests.waiting import wait_until

BULK = ["orders", "retry", "--all", "--status"]


def retried(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(interventions.c.action == "retry")) or 0


def waiting(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(orders.c.status == "queued")) or 0


def end_every_lease(connection: Connection) -> None:
    """As half a minute later."""
    connection.execute(update(leases).values(until=DATABASE_CLOCK.after(0)))


class TestRetryingAllThatMatch:
    def test_leaves_an_order_in_review_whose_key_belongs_to_another_payload_and_says_so(
        self, terminal: Terminal
    ) -> None:
        in_review(terminal, "a", OTHER_PAYLOAD)
        line = [*BULK, "review", "--reason", "x"]
        assert "1, because the service knows their key" in terminal.run(*line, "--dry-run").out
        said = terminal.run(*line, "--yes").out
        assert said.startswith("1 order stayed in review: ")
        counted = terminal.run(*line, "--yes", "-o", "json").document
        assert (counted["sent_round"], counted["to_be_resolved"]) == (0, 1)
        assert states(terminal) == {"a": "review"}

    def test_retries_them_as_one_run_with_its_reason(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        ran = terminal.run(*BULK, "dead", "--reason", "key rotated", "--yes", "-o", "json")
        assert ran.code == 0
        assert (ran.document["sent_round"], ran.document["finished"]) == (2, True)
        (first,), (second,) = (terminal.show(key)["interventions"] for key in "ab")
        assert first["reason"] == second["reason"] == "key rotated"
        assert first["run"] == second["run"] is not None

    def test_ends_where_no_worker_has_the_gateway_of_those_that_are_left(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        with ledger_of(terminal) as ledger:
            others = update(orders).where(orders.c.idempotency_key == "a").values(gateway="other")
            ledger.database.write(lambda connection: connection.execute(others), name="test")
        ran = terminal.run(*BULK, "dead", "--reason", "x", "--yes", "-o", "json")
        assert (ran.code, ran.document["finished"], ran.document["waits_for"]) == (1, False, "other")
        assert states(terminal) == {"a": "dead", "b": "queued"}
        shown = terminal.run("orders", "bulk-retries", "show", ran.document["bulk_retry"]).out
        assert "a worker with the gateway other, which no live worker has" in shown

    def test_says_what_it_did_and_what_that_does_to_the_budget(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        said = terminal.run(*BULK, "dead", "--reason", "key rotated", "--yes").out
        assert said.startswith("2 orders were retried and are due now.")
        assert "a whole new budget of 30 attempts" in said

    def test_says_that_nothing_matches(self, terminal: Terminal) -> None:
        terminal.run("db", "upgrade")
        ran = terminal.run(*BULK, "review", "--reason", "x", "--yes")
        assert (ran.code, ran.out) == (0, "No order matches; nothing was changed.\n")

    @pytest.mark.parametrize(
        ("filters", "sent"),
        [
            (["--currency", "USD"], {"u"}),
            (["--error-contains", "CREDENTIALS"], {"a", "b", "u"}),
            (["--error-contains", "timeout"], set()),
            (["--older-than", "1h"], set()),
            (["--older-than", "0s"], {"a", "b", "u"}),
            (["--limit", "1"], {"a"}),
            (["--status", "review"], {"a", "b", "u", "r"}),
        ],
    )
    def test_takes_only_what_the_filters_mean(
        self, terminal: Terminal, filters: list[str], sent: set[str]
    ) -> None:
        for key in "ab":
            dead(terminal, key)
        dead(terminal, "u", currency="USD")
        in_review(terminal, "r")
        terminal.run(*BULK, "dead", *filters, "--reason", "x", "--yes")
        assert {key for key, status in states(terminal).items() if status == "queued"} == sent

    def test_takes_only_what_was_rejected_where_that_is_asked_for(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        with ledger_of(terminal) as ledger:
            rejected = update(orders).where(orders.c.idempotency_key == "b").values(rejected=True)
            ledger.database.write(lambda connection: connection.execute(rejected), name="test")
        ran = terminal.run(*BULK, "dead", "--rejected", "--reason", "x", "--yes", "-o", "json")
        assert ran.document["sent_round"] == 1
        assert states(terminal) == {"a": "dead", "b": "queued"}

    def test_counts_first_what_it_would_do(self, terminal: Terminal, payments: SimulatorControl) -> None:
        dead(terminal, "a", "b", "c")
        in_review(terminal, "r")
        terminal.place(key="paid")
        seen = terminal.run(*BULK, "dead", "--limit", "2", "--dry-run", "-o", "json").document
        assert seen == {
            "dry_run": True,
            "eligible": 3,
            "would_be_sent_round": 2,
            "looked_up_first": 0,
            "already_paid": 1,
            "skipped": {"review": 1},
            "to_be_resolved": 0,
            "max_attempts": 30,
        }
        assert list(states(terminal).values()).count("dead") == 3

    def test_counts_in_words_too_and_says_why(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        in_review(terminal, "r")
        said = terminal.run(*BULK, "dead", "--dry-run").out
        assert "nothing was changed" in said
        assert "1 review (not selected)" in said

    def test_is_refused_without_a_terminal_to_ask_on(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        ran = terminal.run(*BULK, "dead", "--reason", "x", "-o", "json")
        assert (ran.code, ran.error["type"], ran.out) == (4, "refused", "")
        assert "--yes" in ran.error["message"]
        assert states(terminal) == {"a": "dead"}

    @pytest.mark.parametrize(("answer", "code", "status"), [("y", 0, "queued"), ("n", 1, "dead")])
    def test_asks_on_a_terminal(self, terminal: Terminal, answer: str, code: int, status: str) -> None:
        dead(terminal, "a")
        ran = terminal.run_attended(*BULK, "dead", "--reason", "x", answer=f"{answer}\n")
        assert "1 order" in ran.out
        assert "Retry them?" in ran.out
        assert ran.code == code
        assert states(terminal) == {"a": status}

    def test_killed_in_the_middle_has_done_whole_batches_and_a_worker_does_the_rest(
        self, terminal: Terminal
    ) -> None:
        number = 8_000
        dead(terminal, *(f"cart-{n}" for n in range(number)))
        line = [*BULK, "dead", "--reason", "x", "--yes", "-o", "json"]
        running = subprocess.Popen(command_line(*line), cwd=terminal.folder, env=terminal.environ)
        with ledger_of(terminal) as ledger:
            wait_until(lambda: ledger.database.read(retried) > 0, look_every=0.002)
            running.send_signal(signal.SIGKILL)
            assert running.wait() == -signal.SIGKILL
            sent = ledger.database.read(retried)
            assert 0 < sent < number
            assert sent % 500 == 0
            assert ledger.database.read(waiting) == sent
            ledger.database.write(end_every_lease, name="test")
            worker = BulkRetryRunner(ledger.database)
            while ledger.database.read(retried) < number:
                worker.run_once()
            assert ledger.database.read(waiting) == number
        (ended,) = terminal.run("orders", "bulk-retries", "list", "-o", "json").document
        assert (ended["retried"], ended["state"]) == (number, "finished")

    def test_stopped_with_ctrl_c_says_how_far_it_came(self, terminal: Terminal) -> None:
        dead(terminal, *(f"cart-{n}" for n in range(8_000)))
        line = [*BULK, "dead", "--reason", "x", "--yes", "-o", "json"]
        running = subprocess.Popen(
            command_line(*line), cwd=terminal.folder, env=terminal.environ, stdout=subprocess.PIPE
        )
        with ledger_of(terminal) as ledger:
            wait_until(lambda: ledger.database.read(retried) > 0, look_every=0.002)
            running.send_signal(signal.SIGINT)
            said = json.loads(running.communicate(timeout=60)[0])
            sent = ledger.database.read(retried)
        assert (running.returncode, said["finished"]) == (130, False)
        assert said["bulk_retry"] is not None
        # A batch may have been committed in the moment before it could be counted.
        assert said["sent_round"] in {sent, sent - 500}
        assert sent % 500 == 0
