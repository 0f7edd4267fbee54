"""`breakwall breaker force-open|force-close|observe|auto|probe`: an operator's words, obeyed by every process."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import pytest

from breakwall.simulator.client import SimulatorControl
from tests.command import Ran, Terminal
from tests.integration.circuit_fixtures import breaker_of, open_circuit
from tests.stopwatch import Stopwatch

OBEYED_WITHIN = 1.0
"""Seconds from an override to the last payment that a running process begins against it."""

CLOCKS_APART = 0.05
"""Seconds by which two processes may see the database's clock differently."""

PRODUCER = """
import itertools, json, time
from producers import Order, OrderProducer

producer = OrderProducer.from_settings()
for number in itertools.count():
    begun = time.time()
    order = Order(user_id="u1", amount=1, currency="KRW", idempotency_key=f"cart-{number}")
    status = producer.place(order).status
    print(json.dumps({"status": status, "begun": begun, "ended": time.time()}), flush=True)
    time.sleep(0.02)
"""

OVERRIDES = {"force-open": "forced_open", "force-close": "forced_closed", "observe": "observing"}


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


def override(terminal: Terminal, command: str, *arguments: str) -> Ran:
    return terminal.run(
        "breaker", command, "--reason", "maintenance", "--actor", "kim", *arguments, "-o", "json"
    )


def status(terminal: Terminal) -> Any:
    return terminal.run("breaker", "status", "-o", "json").document


def stored(terminal: Terminal) -> list[Any]:
    """The circuit as the store has it, byte for byte."""
    with closing(sqlite3.connect(terminal.home / "breakwall.db")) as connection:
        return connection.execute("SELECT name, version, circuit FROM breakwall_circuits").fetchall()


@contextmanager
def running_producer(terminal: Terminal) -> Iterator[Iterator[dict[str, Any]]]:
    """A process that places one order after the other, and what became of each."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRODUCER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=terminal.folder,
        env=terminal.environ,
    )
    assert process.stdout is not None
    try:
        yield map(json.loads, process.stdout)
    finally:
        process.kill()
        process.communicate(timeout=60)


def until(orders: Iterator[dict[str, Any]], wanted: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The orders before the first with the wanted status, and that one. Gives up after a minute."""
    before: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    for order in orders:
        if order["status"] == wanted:
            return before, order
        before.append(order)
        assert time.monotonic() < deadline, f"no order was {wanted}"
    raise AssertionError("the producer has ended")


def test_a_running_producer_obeys_within_a_second_and_is_free_again_as_fast(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    with running_producer(terminal) as orders:
        until(orders, "paid")
        assert override(terminal, "force-open").code == 0
        watch, overridden = Stopwatch(processes=True), time.time()
        before, _ = until(orders, "queued")
        assert all(order["begun"] < overridden + OBEYED_WITHIN + watch.lost for order in before)

        assert override(terminal, "auto").code == 0
        watch, overridden = Stopwatch(processes=True), time.time()
        before, _ = until(orders, "paid")
        assert all(order["begun"] < overridden + OBEYED_WITHIN + watch.lost for order in before)


def test_an_override_ends_by_itself_when_its_time_is_over(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    with running_producer(terminal) as orders:
        until(orders, "paid")
        shown = override(terminal, "force-open", "--for", "1.5s").document["override"]
        expires = datetime.fromisoformat(shown["expires_at"]).timestamp()
        watch = Stopwatch(processes=True)
        until(orders, "queued")
        refused, first = until(orders, "paid")
        assert first["ended"] > expires - CLOCKS_APART
        assert all(order["begun"] < expires + OBEYED_WITHIN + watch.lost for order in refused)
    assert status(terminal)["override"] is None


def test_a_breaker_that_has_just_looked_obeys_within_a_second(terminal: Terminal) -> None:
    with closing(breaker_of(terminal)) as breaker:
        assert breaker.status().slots is None
        override(terminal, "force-open")
        watch = Stopwatch()
        while breaker.status().slots is None:
            assert watch.seconds < OBEYED_WITHIN
            time.sleep(0.02)


def test_an_order_that_is_refused_by_an_override_is_queued_without_a_call(
    terminal: Terminal, payments: SimulatorControl
) -> None:
    override(terminal, "force-open")
    assert terminal.place().document["status"] == "queued"
    assert payments.stats()["requests"] == 0


@pytest.mark.parametrize("command", ["force-close", "observe"])
def test_an_open_circuit_lets_payments_through_by_an_override(
    terminal: Terminal, payments: SimulatorControl, command: str
) -> None:
    open_circuit(terminal)
    assert terminal.place(key="a").document["status"] == "queued"
    override(terminal, command)
    assert terminal.place(key="b").document["status"] == "paid"


@pytest.mark.parametrize(("command", "mode"), OVERRIDES.items())
def test_status_shows_the_computed_state_beside_the_override_with_who_why_and_until_when(
    terminal: Terminal, command: str, mode: str
) -> None:
    open_circuit(terminal)
    assert override(terminal, command, "--for", "10m").code == 0
    seen = status(terminal)
    shown = seen["override"]
    lasts = datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(shown["set_at"])
    assert seen["state"] == "open"
    assert (shown["mode"], shown["reason"], shown["actor"]) == (mode, "maintenance", "kim")
    assert lasts.total_seconds() == pytest.approx(600, abs=0.01)

    text = terminal.run("breaker", "status").out
    assert "state          open\n" in text
    assert mode.split("_")[0] in text
    assert "by kim for another 10 min: maintenance" in text


def test_an_override_leaves_the_computed_state_as_it_is(terminal: Terminal) -> None:
    open_circuit(terminal)
    before = status(terminal)
    override(terminal, "force-close")
    override(terminal, "auto")
    after = status(terminal)
    assert [after[name] for name in ("state", "generation", "open_until", "open_count")] == [
        before[name] for name in ("state", "generation", "open_until", "open_count")
    ]


def test_without_a_time_an_override_lasts_until_it_is_lifted(terminal: Terminal) -> None:
    override(terminal, "force-open")
    assert status(terminal)["override"]["expires_at"] is None
    assert "refused until the override is lifted" in terminal.run("breaker", "status").out
    override(terminal, "auto")
    assert status(terminal)["override"] is None


def test_the_last_override_counts(terminal: Terminal) -> None:
    override(terminal, "force-open")
    override(terminal, "observe")
    assert status(terminal)["override"]["mode"] == "observing"


def test_lifting_what_is_not_there_is_no_failure(terminal: Terminal) -> None:
    ran = terminal.run("breaker", "auto")
    assert ran.code == 0
    assert ran.out.startswith("The circuit's computed state decides")


def test_the_answer_says_what_happens_from_now_on_and_shows_the_circuit(terminal: Terminal) -> None:
    ran = terminal.run("breaker", "force-open", "--reason", "maintenance", "--for", "3h")
    assert ran.out.startswith("Every payment is refused from now on, and its order queued.\n")
    assert "for another 3 h: maintenance" in ran.out


def test_who_acts_is_the_user_if_no_actor_is_named(terminal: Terminal) -> None:
    terminal.environ["USER"] = "ana"
    terminal.run("breaker", "force-open", "--reason", "maintenance")
    assert status(terminal)["override"]["actor"] == "ana"


def test_the_backlog_tells_of_an_override(terminal: Terminal) -> None:
    override(terminal, "force-open", "--for", "10m")
    shown = terminal.run("backlog").out
    assert "The circuit is forced open by kim for another 10 min: no payment is tried" in shown
    assert terminal.run("backlog", "-o", "json").document["breaker"]["override"]["actor"] == "kim"


def test_looking_at_an_override_and_at_a_suspicion_writes_nothing(terminal: Terminal) -> None:
    """Three failures of one process alone: the next to exchange with the store may open the circuit."""
    with closing(breaker_of(terminal)) as breaker:
        breaker.status()
        for _ in range(3):
            breaker.acquire().record_failure()
    override(terminal, "observe")
    before = stored(terminal)
    for _ in range(2):
        status(terminal)
        terminal.run("breaker", "status")
    assert stored(terminal) == before


@pytest.mark.parametrize("file", [None, "circuits.db"])
def test_looking_at_a_circuit_that_no_process_has_used_makes_no_file(
    terminal: Terminal, file: str | None
) -> None:
    if file:
        terminal.set(BREAKER_STORE_URL=f"sqlite:///{terminal.folder / file}")
    seen = terminal.run("breaker", "status")
    assert (seen.code, seen.err) == (0, "")
    assert "state          closed\n" in seen.out
    assert "store          not made yet: no process has used it\n" in seen.out
    assert status(terminal)["state"] == "closed"
    assert list(terminal.folder.iterdir()) == []


def test_a_store_whose_folder_is_not_there_is_a_failure_and_no_unused_circuit(terminal: Terminal) -> None:
    terminal.set(BREAKER_STORE_URL=f"sqlite:///{terminal.folder}/typo/circuits.db")
    seen = terminal.run("breaker", "status")
    assert seen.code == 1
    assert "Check BREAKWALL_BREAKER_STORE_URL" in seen.err


@pytest.mark.parametrize("command", OVERRIDES)
def test_an_override_without_a_reason_is_a_usage_error(terminal: Terminal, command: str) -> None:
    ran = terminal.run("breaker", command)
    assert (ran.code, ran.out) == (2, "")
    assert "Missing option '--reason'" in ran.err
    assert not terminal.home.exists()


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--reason", " "], "--reason"),
        (["--reason", "r" * 501], "--reason"),
        (["--reason", "a\x1bb"], "--reason"),
        (["--reason", "r", "--actor", ""], "--actor"),
        (["--reason", "r", "--for", "soon"], "--for"),
        (["--reason", "r", "--for", "10 minutes"], "--for"),
        (["--reason", "r", "--for", "-5m"], "--for"),
        (["--reason", "r", "--for", "0s"], "--for"),
        (["--reason", "r", "--for", ""], "--for"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else value,
)
def test_an_unusable_option_is_named_and_no_process_is_affected(
    terminal: Terminal, arguments: list[str], option: str
) -> None:
    ran = terminal.run("breaker", "force-open", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert f"Invalid value for {option}: should " in ran.err
    assert not terminal.home.exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("45", 45)]
)
def test_a_duration_is_read_in_its_unit(terminal: Terminal, text: str, seconds: float) -> None:
    seen = override(terminal, "force-open", "--for", text).document
    assert seconds - 5 < seen["retry_after"] <= seconds


@pytest.mark.parametrize("command", [*OVERRIDES, "auto"])
def test_a_store_that_is_not_shared_is_refused_because_no_other_process_would_see_it(
    terminal: Terminal, command: str
) -> None:
    terminal.set(BREAKER_STORE_URL="memory://")
    ran = override(terminal, command)
    assert (ran.code, ran.out, ran.error["type"]) == (4, "", "refused")
    assert "only affect this command's own process" in ran.error["message"]
    assert "BREAKWALL_BREAKER_STORE_URL" in ran.error["message"]


@pytest.mark.parametrize("command", [*OVERRIDES, "auto", "probe"])
def test_a_store_that_does_not_confirm_is_a_failure_with_a_sentence(terminal: Terminal, command: str) -> None:
    terminal.set(BREAKER_STORE_URL="redis://:geheim@127.0.0.1:9/0")
    ran = override(terminal, command)
    assert (ran.code, ran.out, ran.error["type"]) == (1, "", "store_lost")
    assert "did not confirm" in ran.error["message"]
    assert "BREAKWALL_BREAKER_STORE_URL" in ran.error["message"]
    assert "geheim" not in ran.err
    assert "Traceback" not in ran.err


def test_a_store_that_no_process_has_used_yet_is_reported_because_it_may_be_the_wrong_one(
    terminal: Terminal,
) -> None:
    process = Terminal(terminal.folder)  # pytest keeps the warnings of its own process for itself
    first, second = override(process, "force-open"), override(process, "force-open")
    assert (first.code, second.code) == (0, 0)
    assert "breakwall.db is new: no running process has used it" in first.err
    assert second.err == ""


def probe(terminal: Terminal) -> Ran:
    return terminal.run(
        "breaker", "probe", "--reason", "it is said to be well", "--actor", "kim", "-o", "json"
    )


def test_a_probe_ends_the_open_interval(terminal: Terminal) -> None:
    open_circuit(terminal)
    assert status(terminal)["state"] == "open"
    assert probe(terminal).document["state"] == "half_open"
    assert status(terminal)["state"] == "half_open"
    [entry] = terminal.run("audit", "-o", "json").document
    assert (entry["action"], entry["actor"], entry["result"]) == ("breaker_probe", "kim", "done")
    assert entry["reason"] == "it is said to be well"


def test_a_probe_is_refused_where_it_would_change_nothing(terminal: Terminal) -> None:
    closed = probe(terminal)
    assert closed.code == 4
    assert "circuit is closed" in closed.error["message"]
    open_circuit(terminal)
    override(terminal, "force-open")
    forced = probe(terminal)
    assert forced.code == 4
    assert "is forced open" in forced.error["message"]
