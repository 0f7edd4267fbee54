"""The recipes of docs/reconciliation.md, run as they stand there on files of their services' layout."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.command import Terminal
from tests.integration.gateway_fixtures import Serve
from tests.integration.gateway_stub import Connection, response

DOCUMENT = Path(__file__).parents[4] / "docs" / "reconciliation.md"
REPORTS = Path(__file__).parents[2] / "reports"
ORDERS = [("cart-1", "1050", "USD"), ("cart-2", "230000", "USD"), ("cart-3", "1200", "JPY")]


def recipes() -> dict[str, list[str]]:
    """The document's commands, without the program's name, by the file that they read."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    commands = [shlex.split(block.replace("\\\n", ""))[1:] for block in blocks]
    return {command[2]: command for command in commands}


REPORT_NAMES = [name for name in recipes() if name != "orders.csv"]


@pytest.fixture
def terminal(short_terminal: Terminal, serve: Serve) -> Terminal:
    """A shop whose three orders were charged as charge-1, charge-2 and charge-3."""
    numbers = iter(range(1, 4))

    def charge(connection: Connection) -> None:
        while connection.request():
            body = {"status": "succeeded", "charge_id": f"charge-{next(numbers)}"}
            connection.send(response(200, json.dumps(body).encode()))

    short_terminal.set(PAYMENT_URL=serve(charge).url)
    for key, amount, currency in ORDERS:
        assert short_terminal.place(key=key, amount=amount, currency=currency).document["status"] == "paid"
    for file in REPORTS.iterdir():
        shutil.copy(file, short_terminal.folder)
    return short_terminal


def test_there_is_one_for_each_service() -> None:
    assert {name.partition("-")[0] for name in REPORT_NAMES} == {"stripe", "adyen", "paypal"}
    assert {file.name for file in REPORTS.iterdir()} == set(recipes())


@pytest.mark.parametrize("name", REPORT_NAMES)
def test_a_report_of_all_charges_agrees(terminal: Terminal, name: str) -> None:
    """Each has refunds in part, failures, disputes, fees or payouts among its charges."""
    ran = terminal.run(*recipes()[name], "-o", "json")
    assert (ran.code, ran.err) == (0, "")
    found = ran.document
    assert (found["agrees"], found["charges"], found["paid_orders"]) == (True, 3, 3)
    assert (found["differences"], found["unreadable"]) == ([], 0)
    assert sum(found["skipped"].values()) + found["of_others"] >= 1


@pytest.mark.parametrize("name", REPORT_NAMES)
def test_each_charge_is_missed_whose_line_is_not_there(terminal: Terminal, name: str) -> None:
    lines = (terminal.folder / name).read_text().splitlines()
    for number, (key, _, _) in enumerate(ORDERS, 1):
        kept = [line for line in lines if f"charge-{number}" not in line]
        (terminal.folder / name).write_text("\n".join(kept))
        (found,) = terminal.run(*recipes()[name], "-o", "json").document["differences"]
        assert (found["kind"], found["idempotency_key"]) == ("paid_not_charged", key)


@pytest.mark.parametrize("name", REPORT_NAMES)
def test_an_amount_that_differs_is_found(terminal: Terminal, name: str) -> None:
    text = (terminal.folder / name).read_text()
    (terminal.folder / name).write_text(text.replace("10.50", "10.51").replace(",1050,", ",1051,"))
    ran = terminal.run(*recipes()[name], "-o", "json")
    (found,) = ran.document["differences"]
    assert (found["kind"], found["here"], found["report"]) == ("other_amount", 1050, 1051)


def test_orders_come_in_as_an_export_has_them(terminal: Terminal) -> None:
    ran = terminal.run(*recipes()["orders.csv"], "-o", "json")
    assert (ran.code, ran.document["accepted"], ran.document["bad"]) == (0, 2, 0)
    order = terminal.show("000123")
    assert (order["user_id"], order["amount"], order["currency"]) == ("Jürgen Müller", 123_456, "EUR")
