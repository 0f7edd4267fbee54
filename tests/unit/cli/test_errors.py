"""Each foreseen error has a sentence and an exit code; one that nobody has foreseen stays an exception."""

from __future__ import annotations

import json

import pytest
import typer

from breakwall.breaker import StoreLostError
from breakwall.broker import BrokerNotStartedError
from breakwall.broker.embedded.find_server import NoServerProgramError
from breakwall.cli.breaker import NotSharedError
from breakwall.cli.errors import explain, report
from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
from breakwall.payments.ledger.queries import AmbiguousNameError, Naming, OrderNotFoundError
from breakwall.payments.operator.retry_and_cancel import RefusedError
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError
from breakwall.settings import SettingsError
from breakwall.terminal.options import wants_json


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError(["BREAKWALL_X: is wrong"]), 2),
        (InvalidOrderError({"amount": "is wrong"}), 2),
        (IdempotencyConflictError("k", ["amount"]), 2),
        (SchemaError("is behind"), 2),
        (typer.BadParameter("is wrong"), 2),
        (ModuleNotFoundError("No module named 'psycopg'", name="psycopg"), 2),
        (OrderNotFoundError("none"), 3),
        (RefusedError("is paid"), 4),
        (AmbiguousNameError("a", {Naming.ID: "a", Naming.KEY: "b"}), 4),
        (NotSharedError("is memory://"), 4),
        (StoreLostError("did not confirm"), 1),
        (DatabaseUnavailableError("is down"), 1),
        (NoServerProgramError("is not there"), 1),
        (BrokerNotStartedError("did not start"), 1),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (typer.Abort(), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_foreseen_error_ends_with_its_exit_code(error: Exception, code: int) -> None:
    assert report(error, as_json=True) == code


@pytest.mark.parametrize("as_json", [True, False])
def test_a_url_on_the_command_line_is_repeated_without_its_password(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    report(typer.BadParameter("Got unexpected extra argument (redis://:ge/h@eim@h:1/0)"), as_json=as_json)
    told = capsys.readouterr().err
    assert "ge/h" not in told
    assert "eim" not in told
    assert "@h:1/0)" in told


def test_each_problem_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    report(InvalidOrderError({"amount": "is wrong", "currency": "is, too"}), as_json=False)
    assert capsys.readouterr().err == "Error: amount: is wrong\nError: currency: is, too\n"


def test_an_error_in_json_names_its_kind_its_fields_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    report(SettingsError(["BREAKWALL_X: is wrong"]), as_json=True)
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "type": "settings",
            "message": "BREAKWALL_X: is wrong",
            "problems": {"BREAKWALL_X": "is wrong"},
        },
        "exit_code": 2,
    }


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault"), ModuleNotFoundError("No module named 'x'", name="x")]
)
def test_an_error_that_nobody_has_foreseen_is_raised_again(error: Exception) -> None:
    assert explain(error) is None
    with pytest.raises(type(error)):
        report(error, as_json=False)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("backlog -o json", True),
        ("backlog -ojson", True),
        ("backlog --output json", True),
        ("backlog --output=json", True),
        ("backlog -o text", False),
        ("backlog -o", False),
        ("", False),
    ],
)
def test_json_is_wanted_where_the_line_asks_for_it(line: str, wanted: bool) -> None:
    assert wants_json(line.split()) is wanted
