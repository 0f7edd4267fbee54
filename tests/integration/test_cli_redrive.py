"""`breakwall orders retry|resolve|reconcile` as a person uses them, on the embedded default."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from breakwall.payments.claims import Attempt
from breakwall.payments.database import Database
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Answer, Health, Outcome
from breakwall.payments.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.payments.schema import interventions, orders
from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal, command_line
from tests.waiting import wait_until

UNCLEAR = Answer(Outcome.UNKNOWN, Health.NEUTRAL, code="ReadTimeout")
OTHER_PAYLOAD = Answer(Outcome.UNKNOWN, Health.SUCCESS, code="http_422")
CHARGED = Answer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_late")
BULK = ["orders", "retry", "--all", "--status"]


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    short_terminal.environ["USER"] = "anna"
    return short_terminal


@contextmanager
def ledger_of(terminal: Terminal) -> Iterator[Ledger]:
    with closing(Database(f"sqlite:///{terminal.home}/breakwall.db")) as database:
        yield Ledger(database, lease=15.0)


def in_review(terminal: Terminal, key: str = "cart-1", answer: Answer = UNCLEAR) -> Attempt:
    """An order in review; its attempt, for a result that comes late."""
    terminal.run("db", "upgrade")
    with ledger_of(terminal) as ledger:
        attempt = ledger.accept_sending(Order("u1", 10_000, "KRW", key))
        assert isinstance(attempt, Attempt)
        ledger.record(attempt, answer, Verdict(OrderStatus.REVIEW))
    return attempt


def dead(terminal: Terminal, *keys: str, currency: str = "KRW") -> None:
    terminal.run("db", "upgrade")
    with ledger_of(terminal) as ledger:
        ledger.accept_queued([Order("u1", 10_000, currency, key) for key in keys])
        ledger.database.write(lambda connection: bury(connection, keys))


def bury(connection: Connection, keys: tuple[str, ...]) -> None:
    connection.execute(
        update(orders)
        .where(orders.c.idempotency_key.in_(keys))
        .values(status="dead", next_attempt_at=None, dispatch_at=None, last_error="http_401: credentials")
    )


def states(terminal: Terminal) -> dict[str, str]:
    listed = terminal.run("orders", "list", "-o", "json").document
    return {order["idempotency_key"]: order["status"] for order in listed}


class TestRetryingByName:
    def test_one_order_is_due_at_once_and_who_and_why_is_noted(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        again = terminal.run("orders", "retry", "a", "--reason", "fixed", "-o", "json")
        assert (again.code, again.document["status"]) == (0, "queued")
        (done,) = terminal.show("a")["interventions"]
        assert (done["action"], done["actor"], done["reason"]) == ("retry", "anna", "fixed")
        assert (done["before"], done["after"], done["run"]) == ("dead", "queued", None)

    def test_somebody_else_can_be_named(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        terminal.run("orders", "retry", "a", "--actor", "bert")
        assert terminal.show("a")["interventions"][0]["actor"] == "bert"

    def test_what_it_does_to_the_budget_is_said(self, terminal: Terminal) -> None:
        terminal.set(RETRY__MAX_ATTEMPTS="7")
        dead(terminal, "a", "b", "c")
        for names in (["a"], ["b", "c"]):
            said = terminal.run("orders", "retry", *names).out
            assert "a whole new budget of 7 attempts" in said
            assert "retry_count goes on counting" in said

    def test_several_orders_go_round_and_one_that_cannot_is_left_and_told(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b", "c")
        terminal.run("orders", "cancel", "b")
        ran = terminal.run("orders", "retry", "a", "b", "c", "-o", "json")
        assert ran.code == 4
        assert [order["idempotency_key"] for order in ran.document["sent_round"]] == ["a", "c"]
        assert "is cancelled" in ran.document["refused"][0]["problem"]
        assert states(terminal) == {"a": "queued", "b": "cancelled", "c": "queued"}

    def test_a_name_that_is_no_orders_changes_nothing(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        ran = terminal.run("orders", "retry", "a", "nobody")
        assert ran.code == 3
        assert states(terminal) == {"a": "dead"}

    def test_a_dry_run_counts_and_changes_nothing(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        in_review(terminal, "c")
        terminal.run("orders", "cancel", "b")
        seen = terminal.run("orders", "retry", "a", "b", "c", "--dry-run", "-o", "json").document
        assert (seen["eligible"], seen["looked_up_first"], seen["skipped"]) == (2, 1, {"cancelled": 1})
        assert states(terminal) == {"a": "dead", "b": "cancelled", "c": "review"}

    def test_an_order_whose_key_belongs_to_another_payload_is_refused_with_what_to_do(
        self, terminal: Terminal
    ) -> None:
        in_review(terminal, "a", OTHER_PAYLOAD)
        ran = terminal.run("orders", "retry", "a", "-o", "json")
        assert (ran.code, ran.error["type"]) == (4, "refused")
        assert "`breakwall orders resolve`" in ran.error["message"]
        assert states(terminal) == {"a": "review"}


class TestRetryingAllThatMatch:
    def test_leaves_orders_for_a_person_whose_key_belongs_to_another_payload_and_says_so(
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

    def test_sends_them_round_as_one_run_with_its_reason(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        ran = terminal.run(*BULK, "dead", "--reason", "key renewed", "--yes", "-o", "json")
        assert ran.code == 0
        assert (ran.document["sent_round"], ran.document["finished"]) == (2, True)
        (first,), (second,) = (terminal.show(key)["interventions"] for key in "ab")
        assert first["reason"] == second["reason"] == "key renewed"
        assert first["run"] == second["run"] is not None

    def test_says_what_it_did_and_what_that_does_to_the_budget(self, terminal: Terminal) -> None:
        dead(terminal, "a", "b")
        said = terminal.run(*BULK, "dead", "--reason", "key renewed", "--yes").out
        assert said.startswith("2 orders were sent round again and are due now.")
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
        assert "1 review (not asked for)" in said

    def test_is_refused_where_nobody_can_be_asked(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        ran = terminal.run(*BULK, "dead", "--reason", "x", "-o", "json")
        assert (ran.code, ran.error["type"], ran.out) == (4, "refused", "")
        assert "--yes" in ran.error["message"]
        assert states(terminal) == {"a": "dead"}

    @pytest.mark.parametrize(("answer", "code", "status"), [("y", 0, "queued"), ("n", 1, "dead")])
    def test_asks_on_a_terminal(self, terminal: Terminal, answer: str, code: int, status: str) -> None:
        dead(terminal, "a")
        shown, ended = answered(terminal, answer, *BULK, "dead", "--reason", "x")
        assert "1 order" in shown
        assert "Send them round?" in shown
        assert ended == code
        assert states(terminal) == {"a": status}

    def test_killed_in_the_middle_has_done_whole_chunks_and_does_the_rest_next_time(
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
            assert terminal.run(*line).document["sent_round"] == number - sent
            assert ledger.database.read(retried) == number

    def test_stopped_with_ctrl_c_says_how_far_it_came(self, terminal: Terminal) -> None:
        dead(terminal, *(f"cart-{n}" for n in range(8_000)))
        line = [*BULK, "dead", "--reason", "x", "--yes", "-o", "json"]
        running = subprocess.Popen(
            command_line(*line), cwd=terminal.folder, env=terminal.environ, stdout=subprocess.PIPE
        )
        with ledger_of(terminal) as ledger:
            wait_until(lambda: ledger.database.read(retried) > 0, look_every=0.002)
            running.send_signal(signal.SIGINT)
            said = json.loads(running.communicate(timeout=30)[0])
            sent = ledger.database.read(retried)
        assert (running.returncode, said["finished"]) == (130, False)
        # A chunk may have been committed in the moment before it could be counted.
        assert said["sent_round"] in {sent, sent - 500}
        assert sent % 500 == 0


def retried(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(interventions.c.action == "retry")) or 0


def waiting(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(orders.c.status == "queued")) or 0


def answered(terminal: Terminal, answer: str, *arguments: str) -> tuple[str, int]:
    """What a command writes to a terminal where somebody answers, and how it ends."""
    ours, its = pty.openpty()
    command = subprocess.Popen(
        command_line(*arguments),
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=terminal.folder,
        env=terminal.environ,
    )
    os.close(its)
    os.write(ours, f"{answer}\n".encode())
    written = b""
    try:
        while chunk := os.read(ours, 65_536):
            written += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    return written.decode(), command.wait()


class TestWrongUsage:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["retry"], "ID|KEY"),
            (["retry", "a", "--all", "--status", "dead"], "--all"),
            (["retry", "--all", "--reason", "x"], "--status"),
            (["retry", "--all", "--status", "paid", "--reason", "x"], "--status"),
            (["retry", "--all", "--status", "dead"], "--reason"),
            (["retry", "--all", "--status", "dead", "--reason", " "], "--reason"),
            (["retry", "--all", "--status", "dead", "--reason", "x" * 501], "--reason"),
            (["retry", "a", "--actor", ""], "--actor"),
            (["retry", "a", "--limit", "3"], "--limit"),
            (["retry", "a", "--older-than", "1h"], "--older-than"),
            (["retry", "--all", "--status", "dead", "--limit", "0"], "--limit"),
            (["retry", "--all", "--status", "dead", "--dry-run", "--older-than", "-1h"], "--older-than"),
            (["retry", "--all", "--status", "dead", "--dry-run", "--older-than", "soon"], "--older-than"),
            (["retry", "--all", "--status", "dead", "--dry-run", "--currency", "WON"], "--currency"),
            (["cancel", "a", "--reason", ""], "--reason"),
            (["resolve", "a"], "--paid"),
            (["resolve", "a", "--paid", "ch_1", "--not-charged", "--reason", "x"], "--paid"),
            (["resolve", "a", "--not-charged"], "--reason"),
            (["resolve", "a", "--paid", ""], "--paid"),
            (["reconcile", "nowhere.csv"], "nowhere.csv"),
            (["reconcile", "-", "--since", "yesterday"], "--since"),
            (["reconcile", "-", "--since", "2026-01-02", "--until", "2026-01-01"], "--until"),
        ],
    )
    def test_is_told_with_the_option_and_changes_nothing(
        self, terminal: Terminal, arguments: list[str], named: str
    ) -> None:
        dead(terminal, "a")
        ran = terminal.run("orders", *arguments, "-o", "json")
        assert (ran.code, ran.out) == (2, "")
        assert named in ran.error["message"]
        assert states(terminal) == {"a": "dead"}
        assert terminal.show("a")["interventions"] == []


class TestResolving:
    def test_as_paid_makes_it_paid_with_that_charge(self, terminal: Terminal) -> None:
        in_review(terminal)
        ran = terminal.run("orders", "resolve", "cart-1", "--paid", "ch_7", "-o", "json")
        assert ran.code == 0
        assert (ran.document["status"], ran.document["charge_id"]) == ("paid", "ch_7")
        (done,) = terminal.show()["interventions"]
        assert (done["action"], done["actor"], done["evidence"]) == ("resolve_paid", "anna", "ch_7")

    def test_as_not_charged_makes_it_dead_and_free_to_go_round_again(self, terminal: Terminal) -> None:
        in_review(terminal)
        ran = terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "dashboard")
        assert ran.code == 0
        assert ran.out.startswith("It is dead: nothing was charged, on your word.")
        assert terminal.show()["attempts"][0]["outcome"] == "failed"
        assert terminal.run("orders", "retry", "cart-1").code == 0

    def test_is_refused_outside_of_a_review(self, terminal: Terminal) -> None:
        dead(terminal, "a")
        for what in (["--paid", "ch_7"], ["--not-charged", "--reason", "x"]):
            ran = terminal.run("orders", "resolve", "a", *what, "-o", "json")
            assert (ran.code, ran.error["type"]) == (4, "refused")
        assert states(terminal) == {"a": "dead"}

    def test_is_refused_with_a_charge_of_another_order(self, terminal: Terminal) -> None:
        for key in ("a", "b"):
            in_review(terminal, key)
        assert terminal.run("orders", "resolve", "a", "--paid", "ch_7").code == 0
        ran = terminal.run("orders", "resolve", "b", "--paid", "ch_7", "-o", "json")
        assert (ran.code, states(terminal)["b"]) == (4, "review")

    def test_of_nobodys_order_is_not_found(self, terminal: Terminal) -> None:
        terminal.run("db", "upgrade")
        assert terminal.run("orders", "resolve", "nobody", "--paid", "ch_7").code == 3

    def test_against_the_facts_ends_in_an_incident_that_everybody_shows(self, terminal: Terminal) -> None:
        """`orders show` tells it, `backlog` counts it, `doctor` finds it."""
        late = in_review(terminal)
        terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "dashboard")
        with ledger_of(terminal) as ledger:
            ledger.record(late, CHARGED, Verdict(OrderStatus.PAID))
        shown = terminal.show()
        assert (shown["status"], shown["charge_id"]) == ("paid", "ch_late")
        assert [incident["kind"] for incident in shown["incidents"]] == ["charged_after_resolution"]
        assert "charged_after_resolution" in terminal.run("orders", "show", "cart-1").out
        assert terminal.run("backlog", "-o", "json").document["incidents"] == 1
        assert "ch_late" in terminal.run("doctor").out

    def test_is_shown_with_what_people_did(self, terminal: Terminal) -> None:
        in_review(terminal)
        terminal.run("orders", "resolve", "cart-1", "--not-charged", "--reason", "[b]not[/b] there")
        shown = terminal.run("orders", "show", "cart-1").out
        assert "resolve_not_charged" in shown
        assert "review → dead" in shown
        assert "[b]not[/b] there" in shown


class TestReconciling:
    @pytest.fixture
    def charges(self, terminal: Terminal, payments: SimulatorControl) -> list[dict[str, Any]]:
        """The payment service's own record of three paid orders and a declined one."""
        for key in ("a", "b", "c"):
            assert terminal.place(key=key).document["status"] == "paid"
        payments.set_faults(decline_rate=1.0)
        terminal.place(key="d")
        return payments.ledger()

    def as_json_lines(self, charges: list[dict[str, Any]]) -> bytes:
        return "".join(json.dumps(charge) + "\n" for charge in charges).encode()

    def as_csv(self, charges: list[dict[str, Any]]) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, charges[0])
        writer.writeheader()
        writer.writerows(charges)
        return text.getvalue().encode()

    def test_the_services_own_report_agrees(self, terminal: Terminal, charges: list[dict[str, Any]]) -> None:
        for report in (self.as_json_lines(charges), self.as_csv(charges)):
            ran = terminal.run("orders", "reconcile", "-", stdin=report)
            assert (ran.code, ran.err) == (0, "")
            assert (
                ran.out
                == "They agree. Compared were 4 lines with 3 charges, and 3 paid orders of the period.\n"
            )

    def test_a_file_is_read_as_stdin_is(self, terminal: Terminal, charges: list[dict[str, Any]]) -> None:
        (terminal.folder / "report.csv").write_bytes(self.as_csv(charges))
        ran = terminal.run("orders", "reconcile", "report.csv", "-o", "json")
        assert ran.code == 0
        assert ran.document == {
            "differences": [],
            "counts": {},
            "agrees": True,
            "lines": 4,
            "charges": 3,
            "paid_orders": 3,
            "not_judged": 0,
            "finished": True,
        }

    def test_every_difference_is_listed_and_the_exit_code_says_so(
        self, terminal: Terminal, charges: list[dict[str, Any]]
    ) -> None:
        first, second, _, declined = charges
        report = [
            {**first, "amount": 9_999},
            {**second, "charge_id": "ch_other"},
            {**declined, "status": "succeeded"},
        ]
        ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=self.as_json_lines(report))
        assert ran.code == 1
        assert {(found["kind"], found["idempotency_key"]) for found in ran.document["differences"]} == {
            ("other_amount", "a"),
            ("other_charge_id", "b"),
            ("paid_not_charged", "c"),
            ("charged_not_paid", "d"),
        }
        assert ran.document["counts"]["paid_not_charged"] == 1

    def test_they_are_listed_in_words_too(self, terminal: Terminal, charges: list[dict[str, Any]]) -> None:
        report = [*charges, {**charges[0], "charge_id": "ch_second"}, {**charges[0], "key": "stranger"}]
        ran = terminal.run("orders", "reconcile", "-", stdin=self.as_csv(report))
        assert ran.code == 1
        assert "charged more than once" in ran.out
        assert "line 6" in ran.out
        assert "key stranger" in ran.out
        assert "They differ: " in ran.out

    def test_a_report_of_another_time_misses_nothing(
        self, terminal: Terminal, charges: list[dict[str, Any]]
    ) -> None:
        header = b"key,charge_id,amount,currency,status\n"
        whole = terminal.run("orders", "reconcile", "-", stdin=header)
        bounded = terminal.run("orders", "reconcile", "-", "--until", "2020-01-01", stdin=header)
        assert (whole.code, bounded.code) == (1, 0)

    def test_an_unreadable_report_is_told_by_line_and_field(
        self, terminal: Terminal, charges: list[dict[str, Any]]
    ) -> None:
        report = self.as_json_lines([*charges, {**charges[0], "amount": "100.00"}])
        ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=report)
        assert (ran.code, ran.out, ran.error["type"]) == (2, "", "unreadable_report")
        assert ran.error["message"].startswith("line 5: amount: should be a whole number")
        assert list(ran.error["problems"]) == ["amount"]
