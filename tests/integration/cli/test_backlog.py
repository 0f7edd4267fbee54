"""`breakwall backlog` and `breaker status`: they only read, with an exit code for a monitoring check."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal, command_line
from tests.integration.circuit_fixtures import open_circuit
from tests.public_names import BACKLOG_FIELDS
from tests.waiting import wait_until


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


def test_nothing_waits_on_a_new_site(terminal: Terminal) -> None:
    ran = terminal.run("backlog")
    assert ran.code == 0
    assert ran.out.startswith("No order waits. The circuit is closed")


def test_what_waits_is_counted_with_the_fields_of_the_contract(terminal: Terminal) -> None:
    terminal.place(key="a")
    terminal.place(key="b")
    ran = terminal.run("backlog", "-o", "json")
    assert ran.code == 0
    assert set(ran.document) >= BACKLOG_FIELDS
    assert ran.document["queued"] == 2
    assert ran.document["oldest_age_seconds"] > 0
    assert ran.document["breaker"]["state"] == "closed"


def test_a_broker_that_does_not_answer_is_reported_and_is_no_failure(terminal: Terminal) -> None:
    terminal.set(BROKER_URL="redis://127.0.0.1:9/0")
    ran = terminal.run("backlog", "-o", "json")
    assert (ran.code, ran.document["broker_messages"]) == (0, None)
    assert "does not answer" in terminal.run("backlog").out


def test_a_database_that_does_not_answer_is_a_failure(terminal: Terminal) -> None:
    terminal.set(DATABASE_URL="postgresql://u@127.0.0.1:9/x", BREAKER_STORE_URL="memory://")
    ran = terminal.run("backlog", "--fail-over", "depth=1", "-o", "json")
    assert (ran.code, ran.error["type"]) == (1, "database_unavailable")


def test_within_its_limits_a_backlog_is_no_failure(terminal: Terminal) -> None:
    terminal.place()
    assert terminal.run("backlog", "--fail-over", "depth=1,age=3600").code == 0


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ("depth=1", "2 orders wait; the limit is 1."),
        ("depth=1,age=3600", "2 orders wait; the limit is 1."),
    ],
)
def test_over_a_limit_a_backlog_is_a_failure_that_says_which(
    terminal: Terminal, limits: str, sentence: str
) -> None:
    terminal.place(key="a")
    terminal.place(key="b")
    ran = terminal.run("backlog", "--fail-over", limits, "-o", "json")
    assert ran.code == 1
    assert sentence in ran.err
    assert ran.document["queued"] == 2


def test_an_order_that_is_due_for_longer_than_the_limit_is_a_failure(terminal: Terminal) -> None:
    """Its backoff is no alarm: it has to be over."""
    terminal.place()
    wait_until(
        lambda: terminal.run("backlog", "-o", "json").document["oldest_due_age_seconds"] > 0, look_every=0.5
    )
    ran = terminal.run("backlog", "--fail-over", "age=0")
    assert ran.code == 1
    assert "the oldest due order has been due for" in ran.err


@pytest.mark.parametrize(
    "limits", ["", "depth", "depth=many", "depth=-1", "depth=nan", "size=3", "age=1,age=2"]
)
def test_limits_that_make_no_sense_are_a_usage_error(terminal: Terminal, limits: str) -> None:
    ran = terminal.run("backlog", "--fail-over", limits)
    assert ran.code == 2
    assert "--fail-over" in ran.err


def test_watching_writes_a_line_for_each_snapshot_until_it_is_over_a_limit(terminal: Terminal) -> None:
    """Another process places the order that ends it."""
    watching = subprocess.Popen(
        command_line("backlog", "--watch", "--interval", "0.1", "--fail-over", "depth=0", "-o", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=terminal.folder,
        env=terminal.environ,
        text=True,
    )
    assert watching.stdout is not None
    first = [json.loads(watching.stdout.readline()) for _ in range(2)]
    terminal.place()
    out, err = watching.communicate(timeout=60)
    assert [look["queued"] for look in first] == [0, 0]
    assert json.loads(out.splitlines()[-1])["queued"] == 1
    assert watching.returncode == 1
    assert "1 order waits; the limit is 0." in err


def test_stat_writes_a_line_for_each_second_into_a_pipe_until_it_is_interrupted(terminal: Terminal) -> None:
    terminal.place()
    counting = subprocess.Popen(
        command_line("backlog", "--stat", "--interval", "0.1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=terminal.folder,
        env=terminal.environ,
        text=True,
    )
    assert counting.stdout is not None
    lines = [counting.stdout.readline().split() for _ in range(4)]
    counting.send_signal(signal.SIGINT)
    _, err = counting.communicate(timeout=60)
    assert lines[0][:3] == ["time", "breaker", "queued"]
    assert [line[2] for line in lines[1:]] == ["1", "1", "1"]
    assert "Traceback" not in err


def test_stat_ends_above_a_limit_and_writes_documents(terminal: Terminal) -> None:
    terminal.place()
    ran = terminal.run("backlog", "--stat", "--fail-over", "depth=0", "-o", "json")
    assert (ran.code, json.loads(ran.out.splitlines()[0])["queued"]) == (1, 1)


def test_stat_and_watch_exclude_each_other(terminal: Terminal) -> None:
    assert terminal.run("backlog", "--stat", "--watch").code == 2


def test_watching_in_text_writes_one_line_for_each_snapshot(terminal: Terminal) -> None:
    terminal.place()
    ran = terminal.run("backlog", "--watch", "--interval", "0.1", "--fail-over", "depth=0")
    (line,) = ran.out.splitlines()
    assert "queued 1  due " in line


def test_the_open_circuit_and_its_next_call_are_reported(terminal: Terminal) -> None:
    open_circuit(terminal)
    ran = terminal.run("breaker", "status", "-o", "json")
    assert ran.code == 0
    assert ran.document["state"] == "open"
    assert 0 < ran.document["retry_after"] <= 30
    words = terminal.run("breaker", "status").out
    assert "refused; the next call in" in words


def test_asking_for_the_circuit_changes_nothing(terminal: Terminal) -> None:
    open_circuit(terminal)
    looks = [terminal.run("breaker", "status", "-o", "json").document for _ in range(2)]
    assert looks[0]["generation"] == looks[1]["generation"]
    assert looks[0]["open_until"] == looks[1]["open_until"]


def test_a_store_that_does_not_answer_is_a_failure_of_breaker_status(terminal: Terminal) -> None:
    terminal.set(BREAKER_STORE_URL="redis://:geheim@127.0.0.1:9/0")
    ran = terminal.run("breaker", "status", "-o", "json")
    assert (ran.code, ran.document["store_ok"]) == (1, False)
    assert "BREAKWALL_BREAKER_STORE_URL" in ran.err
    assert "geheim" not in ran.err + ran.out


def test_an_open_circuit_queues_without_a_call(terminal: Terminal, payments: SimulatorControl) -> None:
    open_circuit(terminal)
    assert terminal.place().document["status"] == "queued"
    assert payments.stats()["requests"] == 0
    assert terminal.show()["deferral_count"] == 1
