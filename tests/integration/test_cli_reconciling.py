"""`breakwall orders reconcile`: the payment service's own report beside our orders."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


@pytest.fixture
def charges(terminal: Terminal, payments: SimulatorControl) -> list[dict[str, Any]]:
    """The payment service's own record of three paid orders and a declined one."""
    for key in ("a", "b", "c"):
        assert terminal.place(key=key).document["status"] == "paid"
    payments.set_faults(decline_rate=1.0)
    terminal.place(key="d")
    return payments.ledger()


def as_json_lines(charges: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(charge) + "\n" for charge in charges).encode()


def as_csv(charges: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, charges[0])
    writer.writeheader()
    writer.writerows(charges)
    return text.getvalue().encode()


def test_the_services_own_report_agrees(terminal: Terminal, charges: list[dict[str, Any]]) -> None:
    for report in (as_json_lines(charges), as_csv(charges)):
        ran = terminal.run("orders", "reconcile", "-", stdin=report)
        assert (ran.code, ran.err) == (0, "")
        assert (
            ran.out == "They agree. Compared were 4 lines with 3 charges, and 3 paid orders of the period.\n"
        )


def test_a_file_is_read_as_stdin_is(terminal: Terminal, charges: list[dict[str, Any]]) -> None:
    (terminal.folder / "report.csv").write_bytes(as_csv(charges))
    ran = terminal.run("orders", "reconcile", "report.csv", "-o", "json")
    assert ran.code == 0
    assert ran.document == {
        "differences": [],
        "counts": {},
        "agrees": True,
        "lines": 4,
        "charges": 3,
        "skipped": {},
        "unreadable": 0,
        "of_others": 0,
        "paid_orders": 3,
        "not_judged": 0,
        "finished": True,
    }


def test_every_difference_is_listed_and_the_exit_code_says_so(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    first, second, _, declined = charges
    report = [
        {**first, "amount": 9_999},
        {**second, "charge_id": "ch_other"},
        {**declined, "status": "succeeded"},
    ]
    ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=as_json_lines(report))
    assert ran.code == 1
    assert {(found["kind"], found["idempotency_key"]) for found in ran.document["differences"]} == {
        ("other_amount", "a"),
        ("other_charge_id", "b"),
        ("paid_not_charged", "c"),
        ("charged_not_paid", "d"),
    }
    assert ran.document["counts"]["paid_not_charged"] == 1


def test_they_are_listed_in_words_too(terminal: Terminal, charges: list[dict[str, Any]]) -> None:
    report = [*charges, {**charges[0], "charge_id": "ch_second"}, {**charges[0], "key": "stranger"}]
    ran = terminal.run("orders", "reconcile", "-", stdin=as_csv(report))
    assert ran.code == 1
    assert "charged more than once" in ran.out
    assert "line 6" in ran.out
    assert "key stranger" in ran.out
    assert "They differ: " in ran.out


def test_a_report_of_another_time_misses_nothing(terminal: Terminal, charges: list[dict[str, Any]]) -> None:
    header = b"key,charge_id,amount,currency,status\n"
    whole = terminal.run("orders", "reconcile", "-", stdin=header)
    bounded = terminal.run("orders", "reconcile", "-", "--until", "2020-01-01", stdin=header)
    assert (whole.code, bounded.code) == (1, 0)


def test_an_unreadable_report_is_told_by_line_and_field(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    report = as_json_lines([*charges, {**charges[0], "amount": "100.00"}])
    ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=report)
    assert (ran.code, ran.out, ran.error["type"]) == (2, "", "unreadable_file")
    assert ran.error["message"].startswith("line 5: amount: should be a whole number")
    assert "--amounts major" in ran.error["message"]
    assert list(ran.error["problems"]) == ["amount"]
