"""`breakwall orders reconcile`: the payment service's own report beside our orders."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shlex
from typing import Any

import pytest

from breakwall.simulator.client import SimulatorControl
from tests.command import Terminal


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
        assert ran.out == "They agree. Compared: 4 lines with 3 charges, and 3 paid orders of the period.\n"


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--prefix=q", "no key begins with 'q'"),
        ("--only-known", "no line is about an order of this database"),
    ],
)
def test_a_report_of_other_orders_alone_does_not_agree_in_words(
    terminal: Terminal, option: str, reason: str
) -> None:
    report = b"key,charge_id,amount,currency,status\ncart-1,ch_1,10000,KRW,succeeded\n"
    ran = terminal.run("orders", "reconcile", "-", option, stdin=report)
    assert ran.code == 0
    assert ran.out.startswith(f"Nothing was compared: {reason}. Compared: ")


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
        "pruned": 0,
        "forgotten_before": None,
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
    report = [*charges, {**charges[0], "charge_id": "ch_second"}, {**charges[0], "key": "unknown"}]
    ran = terminal.run("orders", "reconcile", "-", stdin=as_csv(report))
    assert ran.code == 1
    assert "charged more than once" in ran.out
    assert "line 6" in ran.out
    assert "key unknown" in ran.out
    assert "They differ: " in ran.out


def test_a_report_of_another_time_misses_nothing(terminal: Terminal, charges: list[dict[str, Any]]) -> None:
    header = b"key,charge_id,amount,currency,status\n"
    whole = terminal.run("orders", "reconcile", "-", stdin=header)
    bounded = terminal.run("orders", "reconcile", "-", "--until", "2020-01-01", stdin=header)
    assert (whole.code, bounded.code) == (1, 0)


def test_an_unreadable_report_is_reported_by_line_and_field(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    report = as_json_lines([*charges, {**charges[0], "amount": "100.00"}])
    ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=report)
    assert (ran.code, ran.out, ran.error["type"]) == (2, "", "unreadable_file")
    assert ran.error["message"].startswith("line 5: amount: should be a whole number")
    assert "--amounts major" in ran.error["message"]
    assert list(ran.error["problems"]) == ["amount"]


def test_each_difference_ends_with_the_command_that_records_it(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    report = [{**charges[0], "amount": 9_999}, *charges[1:3], {**charges[3], "status": "succeeded"}]
    text = terminal.run("orders", "reconcile", "-", stdin=as_csv(report)).out
    found = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=as_csv(report)).document
    commands = {item["kind"]: item["command"] for item in found["differences"]}
    a, d = (terminal.show(key)["id"] for key in ("a", "d"))
    paid = f"breakwall orders resolve {d} --paid {charges[3]['charge_id']} --reason 'reconcile: "
    assert commands["charged_not_paid"].startswith(paid)
    assert commands["other_amount"].startswith(f"breakwall orders incidents --open {a} --reason 'reconcile: ")
    lines = [line.strip() for line in text.splitlines()]
    assert set(commands.values()) <= set(lines)
    for command in commands.values():
        assert terminal.run(*shlex.split(command)[1:]).code == 0
    assert terminal.show("d")["status"] == "paid"


def test_odd_lines_are_counted_and_named_and_end_nothing(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    odd = [
        {"key": "x", "charge_id": "ch_x", "amount": 1, "currency": "KRW", "status": "pending"},
        {"key": "Total", "amount": "30000.00"},
        {"key": "d", "charge_id": "ch_y", "amount": 1, "currency": "WON", "status": "succeeded"},
    ]
    report = as_csv([*charges, *({**dict.fromkeys(charges[0], ""), **line} for line in odd)])
    ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=report)
    assert ran.code == 1
    assert ran.document["skipped"] == {"pending": 1, "(no status)": 1}
    assert (ran.document["unreadable"], ran.document["agrees"], ran.document["differences"]) == (1, False, [])
    told = json.loads(ran.err)
    assert (told["line"], told["field"]) == (8, "currency")
    assert told["problem"].startswith("should be an ISO 4217 code")
    words = terminal.run("orders", "reconcile", "-", stdin=report)
    assert "They agree in the readable lines; 1 line cannot be read." in words.out
    assert "No charges: 1 pending, 1 (no status)." in words.out
    assert "line 8: currency: should be an ISO 4217 code" in words.err


def test_a_compressed_array_and_what_spreadsheets_write_are_read(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    spreadsheet = as_csv(charges).replace(b",", b";").replace(b"\r\n", b"\r").decode().encode("utf-16")
    for report in (gzip.compress(json.dumps(charges, indent=2).encode()), spreadsheet):
        ran = terminal.run("orders", "reconcile", "-", stdin=report)
        assert (ran.code, ran.err) == (0, "")


def test_windows_text_is_read_and_that_is_reported_once(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    report = as_csv([charge | {"name": "Müller"} for charge in charges]).decode().encode("cp1252")
    ran = terminal.run("orders", "reconcile", "-", stdin=report)
    assert ran.code == 0
    assert ran.err == (
        "The report is not UTF-8 and was read as Windows-1252. For another encoding, add --encoding.\n"
    )
    assert terminal.run("orders", "reconcile", "-", "--encoding", "latin-1", stdin=report).err == ""


def test_charges_of_others_on_the_account_can_be_reported_apart(
    terminal: Terminal, charges: list[dict[str, Any]]
) -> None:
    unknown = {**charges[0], "key": "blog-1", "charge_id": "ch_blog", "order_id": ""}
    report = as_csv([*charges, unknown])
    assert terminal.run("orders", "reconcile", "-", stdin=report).code == 1
    for options in (["--only-known"], ["--prefix", "shop-"]):
        ran = terminal.run("orders", "reconcile", "-", *options, "-o", "json", stdin=report)
        assert ran.document["of_others"] == (1 if options == ["--only-known"] else 5)
    known = terminal.run("orders", "reconcile", "-", "--only-known", stdin=report)
    assert known.code == 0
    assert "Ignored: 1 line of other software" in known.out


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04\x14\x00\x06\x00", "Excel workbook"),
        (b"<html><body>Please log in", "HTML"),
        (
            b"id;Amount;Currency;Status\n",
            "the file has the columns id, Amount, Currency, Status. Missing: charge_id. Say which is which: --columns",
        ),
    ],
)
def test_a_file_that_is_no_report_is_reported_for_what_it_is(
    terminal: Terminal, report: bytes, problem: str
) -> None:
    ran = terminal.run("orders", "reconcile", "-", "-o", "json", stdin=report)
    assert (ran.code, ran.out, ran.error["type"]) == (2, "", "unreadable_file")
    assert problem in ran.error["message"]


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--columns", "charge=id", "the fields are key, charge_id, amount, currency, status"),
        ("--columns", "charge_id", "should be pairs such as"),
        ("--encoding", "klingon", "is no text encoding"),
        ("--amounts", "dollars", "minor"),
    ],
)
def test_an_option_that_cannot_be_meant_is_reported(
    terminal: Terminal, option: str, value: str, problem: str
) -> None:
    ran = terminal.run("orders", "reconcile", "-", option, value, "-o", "json")
    assert (ran.code, ran.error["type"]) == (2, "usage")
    assert problem in ran.error["message"]
