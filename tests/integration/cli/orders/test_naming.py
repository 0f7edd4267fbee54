"""`breakwall orders show|retry|cancel|resolve NAME`: never another order than the named one."""

from __future__ import annotations

import pytest

from breakwall.payments.orders import Order
from tests.command import Terminal
from tests.integration.stuck_orders import in_review, ledger_of
from tests.texts import FAMILY, TYPED

COMMANDS = {
    "show": ["show"],
    "retry": ["retry"],
    "retry several": ["retry", "another"],
    "retry, dry run": ["retry", "--dry-run"],
    "cancel": ["cancel"],
    "resolve paid": ["resolve", "--paid", "ch_1"],
    "resolve not charged": ["resolve", "--not-charged", "--reason", "asked them"],
}


@pytest.fixture
def ids(terminal: Terminal) -> tuple[str, str]:
    """The ids of two orders in review, of which the second one's key is the first one's id."""
    first = in_review(terminal).claim.order_id
    second = in_review(terminal, first).claim.order_id
    with ledger_of(terminal) as ledger:
        ledger.accept_queued([Order("u1", 10_000, "KRW", "another")])
    return first, second


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_key_equal_to_another_orders_id_is_refused_with_both_orders(
    terminal: Terminal, ids: tuple[str, str], command: list[str]
) -> None:
    ran = terminal.run("orders", *command, ids[0], "-o", "json")
    assert (ran.code, ran.error["type"], ran.out) == (4, "ambiguous", "")
    for word in (*ids, "--id", "--key"):
        assert word in ran.error["message"]
    for order_id in ids:
        shown = terminal.run("orders", "show", "--id", order_id, "-o", "json").document
        assert (shown["status"], shown["interventions"]) == ("review", [])


@pytest.mark.parametrize("command", ["show", "retry", "resolve paid", "resolve not charged"])
@pytest.mark.parametrize(("option", "meant"), [("--id", 0), ("--key", 1)])
def test_id_or_key_decides(
    terminal: Terminal, ids: tuple[str, str], command: str, option: str, meant: int
) -> None:
    ran = terminal.run("orders", *COMMANDS[command], option, ids[0], "-o", "json")
    assert (ran.code, ran.document["id"]) == (0, ids[meant])


@pytest.mark.parametrize(("option", "meant"), [("--id", 0), ("--key", 1)])
def test_id_or_key_decides_which_order_is_cancelled(
    terminal: Terminal, ids: tuple[str, str], option: str, meant: int
) -> None:
    terminal.run("orders", "retry", "--id", *ids)
    ran = terminal.run("orders", "cancel", option, ids[0], "-o", "json")
    assert (ran.code, ran.document["id"]) == (0, ids[meant])


def test_id_decides_what_all_names_are_that_are_retried(terminal: Terminal, ids: tuple[str, str]) -> None:
    ran = terminal.run("orders", "retry", "--id", *ids, "-o", "json")
    assert ran.code == 0
    assert [order["id"] for order in ran.document["sent_round"]] == list(ids)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_name_is_not_both(terminal: Terminal, command: list[str]) -> None:
    ran = terminal.run("orders", *command, "cart-1", "--id", "--key", "-o", "json")
    assert (ran.code, ran.error["type"]) == (2, "usage")


@pytest.mark.parametrize("option", ["--id", "--key"])
def test_all_orders_have_no_name(terminal: Terminal, option: str) -> None:
    line = ["--all", "--status", "dead", "--reason", "x", "--yes"]
    ran = terminal.run("orders", "retry", *line, option, "-o", "json")
    assert (ran.code, option in ran.error["message"]) == (2, True)


@pytest.mark.parametrize("text", TYPED.values(), ids=TYPED)
def test_what_a_person_types_is_shown_as_it_is_and_in_errors_too(terminal: Terminal, text: str) -> None:
    line = ["--user", text, "--amount", "1", "--currency", "KRW", f"--key={text}"]
    assert text in terminal.run("orders", "place", *line).out
    assert terminal.run("orders", "show", "--", text).out.count(text) == 2
    assert text in terminal.run("orders", "list").out
    line[3] = "2"
    assert text in terminal.run("orders", "place", *line).err
    assert f"{text}{FAMILY}" in terminal.run("orders", "show", "--", f"{text}{FAMILY}").err


@pytest.mark.parametrize("option", ["--actor", "--reason"])
def test_who_acts_and_why_is_shown_as_it_is(terminal: Terminal, option: str) -> None:
    terminal.place()
    refused = terminal.run("orders", "cancel", "cart-1", option, "a\u202eb")
    assert refused.code == 2
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in " ".join(refused.err.split())
    terminal.run("orders", "cancel", "cart-1", option, FAMILY)
    assert FAMILY in terminal.run("orders", "show", "cart-1").out


def test_a_charge_has_an_id_that_can_be_shown(terminal: Terminal) -> None:
    in_review(terminal)
    refused = terminal.run("orders", "resolve", "cart-1", "--paid", "ch\u2066_1")
    assert (refused.code, "U+2066" in refused.err) == (2, True)
    assert terminal.run("orders", "resolve", "cart-1", "--paid", TYPED["NBSP"]).code == 0


def test_a_part_of_an_error_may_hold_what_a_person_may_type(terminal: Terminal) -> None:
    terminal.run("db", "upgrade")
    line = ["--all", "--status", "dead", "--reason", "x", "--yes", "--error-contains"]
    assert terminal.run("orders", "retry", *line, TYPED["NBSP"]).code == 0
    refused = terminal.run("orders", "retry", *line, "a\x1bb")
    assert (refused.code, "U+001B" in refused.err) == (2, True)
