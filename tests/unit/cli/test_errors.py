"""Each error of ours has a kind, sentences and an exit code; any other stays an exception."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import typer

from breakwall.broker.embedded.folder import BrokerNotStartedError
from breakwall.broker.embedded.server import NoServerProgramError
from breakwall.broker.errors import WrongQueueError
from breakwall.cli.breaker import NotConfirmedError, NotSharedError
from breakwall.cli.errors import explain, report
from breakwall.errors import BreakwallError
from breakwall.files.errors import UnreadableFileError
from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
from breakwall.payments.ledger.pruned_orders import PrunedOrder
from breakwall.payments.ledger.queries import AmbiguousNameError, Naming, OrderNotFoundError, OrderPrunedError
from breakwall.payments.operator.incidents import IncidentNotFoundError
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError, OrderStatus
from breakwall.settings import SettingsError

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
PRUNED = PrunedOrder("id", "k", "digest", 1, "KRW", OrderStatus.PAID, "ch_1", NOON, NOON)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (typer.BadParameter("is wrong"), "usage", 2),
        (typer.Abort(), "aborted", 1),
        (SettingsError(["BREAKWALL_X: is wrong"]), "settings", 2),
        (ModuleNotFoundError("No module named 'psycopg'", name="psycopg"), "settings", 2),
        (InvalidOrderError({"amount": "is wrong"}), "invalid_order", 2),
        (IdempotencyConflictError("k", ["amount"]), "idempotency_conflict", 2),
        (UnreadableFileError(3, "key", "is empty"), "unreadable_file", 2),
        (SchemaError("is behind"), "schema", 2),
        (WrongQueueError("holds another thing"), "wrong_queue", 2),
        (OrderNotFoundError("none"), "not_found", 3),
        (IncidentNotFoundError("none"), "not_found", 3),
        (OrderPrunedError(PRUNED), "pruned", 3),
        (RefusedError("is paid"), "refused", 4),
        (NotSharedError("is memory://"), "refused", 4),
        (AmbiguousNameError("a", {Naming.ID: "a", Naming.KEY: "b"}), "ambiguous", 4),
        (NotConfirmedError("did not confirm"), "store_lost", 1),
        (DatabaseUnavailableError("is down"), "database_unavailable", 1),
        (NoServerProgramError("is not there"), "no_broker", 1),
        (BrokerNotStartedError("did not start"), "no_broker", 1),
        (PermissionError(13, "Permission denied", "/x"), "system", 1),
        (MemoryError(), "system", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_kind_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, kind: str, code: int
) -> None:
    assert report(error, as_json=True) == code
    shown = json.loads(capsys.readouterr().err)
    assert (shown["error"]["type"], shown["exit_code"]) == (kind, code)


def test_no_error_of_ours_is_without_a_kind() -> None:
    def classes(base: type[BreakwallError]) -> Iterator[type[BreakwallError]]:
        for derived in base.__subclasses__():
            yield derived
            yield from classes(derived)

    assert [found.__name__ for found in classes(BreakwallError) if found.kind == BreakwallError.kind] == []


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (InvalidOrderError({"amount": "is wrong"}), {"problems": {"amount": "is wrong"}}),
        (
            IdempotencyConflictError("k", ["amount"]),
            {
                "problems": {
                    "idempotency_key": "'k' belongs to an order with another amount; "
                    "a new order needs a key of its own"
                }
            },
        ),
        (UnreadableFileError(3, "key", "is empty"), {"problems": {"key": "is empty"}}),
        (UnreadableFileError(3, None, "is no JSON"), {}),
        (OrderPrunedError(PRUNED), {"order": PRUNED.as_document()}),
        (OrderNotFoundError("none"), {}),
    ],
)
def test_json_names_the_fields_that_are_at_fault(error: Exception, details: dict[str, object]) -> None:
    explained = explain(error)
    assert explained is not None
    assert explained.as_document()["error"] == {
        "type": explained.kind,
        "message": "; ".join(explained.sentences),
        **details,
    }


def test_a_process_without_memory_is_reported_so_whatever_the_error_wraps() -> None:
    error = NoServerProgramError("is not there")
    error.__cause__ = MemoryError()
    explained = explain(error)
    assert explained is not None
    assert explained.sentences == ["this process has no memory left"]


def test_a_database_error_names_an_exhausted_resource_itself() -> None:
    error = DatabaseUnavailableError("this process has no memory left for the database")
    error.__cause__ = MemoryError()
    explained = explain(error)
    assert explained is not None
    assert explained.kind == "database_unavailable"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_url_on_the_command_line_is_repeated_without_its_password(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    report(typer.BadParameter("Got unexpected extra argument (redis://:ge/h@eim@h:1/0)"), as_json=as_json)
    shown = capsys.readouterr().err
    assert "ge/h" not in shown
    assert "eim" not in shown
    assert "@h:1/0)" in shown


def test_each_problem_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    report(InvalidOrderError({"amount": "is wrong", "currency": "is, too"}), as_json=False)
    assert capsys.readouterr().err == "Error: amount: is wrong\nError: currency: is, too\n"


def test_an_error_in_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_a_bug_is_raised_again(error: Exception) -> None:
    assert explain(error) is None
    with pytest.raises(type(error)):
        report(error, as_json=False)
