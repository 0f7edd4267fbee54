"""`breakwall rehearse`: refuses without a sandbox, says what it saw, and lists each charge."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from breakwall.rehearsal import sandbox
from breakwall.rehearsal.sandbox import Sandbox
from breakwall.simulator.server import Simulator
from tests.command import Terminal

SECRETS = ("pm_s3cret_good", "pm_s3cret_bad", "t0ken-s3cret")
LINE = ("rehearse", "--sandbox", "--payment-method", SECRETS[0])
SKIP = ("--skip", "keys", "--skip", "resend", "--skip", "late")


@pytest.fixture(scope="module", params=[True, False])
def simulator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Simulator]:
    book = tmp_path_factory.mktemp("simulator") / "charges.db"
    simulator = Simulator(
        host="127.0.0.1", port=0, control_port=0, charge_book=book, deduplicate=request.param
    )
    yield simulator
    simulator.close()


@pytest.fixture
def terminal(short_terminal: Terminal, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(sandbox, "FIRST_WAIT", 0.01)
    short_terminal.set(PAYMENT_URL=simulator.url, PAYMENT_TOKEN=SECRETS[2], PAYMENT_DEDUPLICATES="true")
    short_terminal.set(PAYMENT_SETTLE_SECONDS="1")
    return short_terminal


def made(simulator: Simulator) -> int:
    number: int = simulator.service.stats()["charges"]
    return number


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("rehearse",), "Missing --sandbox: this command charges test payment methods"),
        (("rehearse", "--payment-method", "pm_1"), "Missing --sandbox: "),
        (("rehearse", "--sandbox"), "Missing --payment-method: a test payment method"),
        ((*LINE, "--currency", "XXX"), "currency: "),
        ((*LINE[:3], "4111 1111 1111 1111"), "payment_method: "),
        ((*LINE, "--metadata", "s3cret"), "metadata: entry 1 should be NAME=VALUE"),
        ((*LINE, "--skip", "everything"), "should be one of unknown, repeat, "),
        ((*LINE, "--most-charges", "3"), "give --most-charges 35, or leave some out with --skip"),
    ],
)
def test_without_a_sandbox_a_test_payment_method_or_enough_charges_nothing_is_asked(
    terminal: Terminal, simulator: Simulator, line: tuple[str, ...], words: str
) -> None:
    before = simulator.stats()["requests"]
    ran = terminal.run(*line)
    assert (ran.code, ran.out) == (2, "")
    assert words in " ".join(ran.err.split())
    assert simulator.stats()["requests"] == before


def test_a_live_key_is_refused_whatever_is_said(terminal: Terminal, simulator: Simulator) -> None:
    terminal.set(PAYMENT_TOKEN="sk_live_s3cret")
    before = simulator.stats()["requests"]
    ran = terminal.run(*LINE)
    assert (ran.code, "BREAKWALL_PAYMENT_TOKEN has a key for live payments" in ran.err) == (4, True)
    assert "s3cret" not in ran.err
    assert simulator.stats()["requests"] == before


def test_it_exits_with_1_where_a_setting_promises_more_than_was_seen(
    terminal: Terminal, simulator: Simulator
) -> None:
    before = made(simulator)
    ran = terminal.run(*LINE, "--declined-payment-method", SECRETS[1], *SKIP, "-o", "json")
    document, right = ran.document, simulator.service._deduplicate
    # The simulator knows no payment method that is declined.
    assert wrong(document) >= {"a card that is declined"}
    assert ("the same key again" in wrong(document)) is not right
    assert ran.code == 1
    assert {one["name"]: one["value"] for one in document["settings"]} == {
        "BREAKWALL_PAYMENT_DEDUPLICATES": str(right).lower(),
        "BREAKWALL_PAYMENT_SETTLE_SECONDS": "30",
    }
    assert len(document["charges"]) == made(simulator) - before
    assert document["charges"][0].keys() == {"key", "reference", "amount", "currency", "charge_id"}
    assert not [secret for secret in SECRETS if secret in ran.out + ran.err]


def wrong(document: Any) -> set[str]:
    return {one["question"] for one in document["measurements"] if one["verdict"] in {"broken", "not shown"}}


def test_a_table_the_settings_and_the_charges_are_for_people(
    terminal: Terminal, simulator: Simulator
) -> None:
    ran = terminal.run(*LINE, *SKIP, "--amount", "50")
    right = simulator.service._deduplicate
    assert ran.code == (0 if right else 1)
    assert ran.out.split()[:2] == ["verdict", "question"]
    assert f"\nBREAKWALL_PAYMENT_DEDUPLICATES={str(right).lower()}\n" in ran.out
    assert "  $0.50  key " in ran.out
    last = ran.out.splitlines()[-1]
    assert last.partition(": ")[0] == (
        "Nothing promises more than was seen. Not asked"
        if right
        else "The settings or the profile promise more than was seen"
    )
    assert "at most 15 charges of $0.50 or one unit more" in ran.err
    assert not [secret for secret in SECRETS if secret in ran.out + ran.err]


def test_it_creates_no_orders(terminal: Terminal) -> None:
    terminal.run(*LINE, "--skip", "cut", *SKIP)
    assert not terminal.home.exists()


def test_after_ctrl_c_the_charges_until_then_are_listed(
    terminal: Terminal, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = made(simulator)
    monkeypatch.setattr(Sandbox, "at_once", interrupted)
    ran = terminal.run(*LINE, "-o", "json")
    assert (ran.code, ran.document["stopped"], ran.document["ok"]) == (1, True, False)
    assert len(ran.document["charges"]) == made(simulator) - before > 0


def test_after_sigterm_the_charges_until_then_are_listed(
    terminal: Terminal, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made(simulator)
    monkeypatch.setattr(Sandbox, "at_once", lambda *_: signal.raise_signal(signal.SIGTERM))
    before_us = signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # Else a fault of the command would end the tests.
    try:
        ran = terminal.run(*LINE, "-o", "json")
    finally:
        signal.signal(signal.SIGTERM, before_us)
    assert (ran.code, ran.document["stopped"]) == (1, True)
    assert len(ran.document["charges"]) == made(simulator) - before > 0


def test_a_service_that_is_not_there_is_charged_nothing(short_terminal: Terminal) -> None:
    ran = short_terminal.run(*LINE)
    assert (ran.code, ran.out) == (1, "")
    assert "Nothing was charged. `breakwall doctor` says what to do" in ran.err


def test_the_table_fits_a_terminal(terminal: Terminal) -> None:
    ran = terminal.run_attended(*LINE, *SKIP, "--skip", "cut", "--skip", "at-once", columns=80)
    written = re.sub("\x1b[^m]*m", "", ran.out)
    table = written.partition("verdict")[2].partition("Settings to use")[0]
    assert "PAYMENT_DEDUPLICATES=true" in table
    assert max(map(len, table.splitlines())) <= 80
