"""`breakwall orders import`: each line on its own, and the same file again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from breakwall.payments.database import DatabaseUnavailableError
from breakwall.payments.orders import Order
from producers.jsonlines import MAX_LINE
from producers.producer import BATCH, OrderProducer, PlaceResult
from tests.command import Ran, Terminal

GOOD = {"user_id": "u1", "amount": 10_000, "currency": "KRW", "idempotency_key": "k"}


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


def line(key: str, **changes: object) -> str:
    return json.dumps(GOOD | {"idempotency_key": key} | changes)


def bring_in(terminal: Terminal, *lines: str | bytes) -> Ran:
    encoded = (text if isinstance(text, bytes) else text.encode() for text in lines)
    return terminal.run("orders", "import", "-o", "json", stdin=b"\n".join(encoded) + b"\n")


def counts(ran: Ran) -> tuple[int, int, int]:
    summary = ran.document
    return summary["accepted"], summary["already_known"], summary["bad"]


def problems(ran: Ran) -> dict[int, str]:
    told = [json.loads(text) for text in ran.err.splitlines() if text.startswith("{")]
    return {item["line"]: item["problem"] for item in told if "line" in item}


def keys(terminal: Terminal) -> set[str]:
    listed = terminal.run("orders", "list", "--limit", "10000", "-o", "json").document
    return {order["idempotency_key"] for order in listed}


def test_every_good_line_is_queued(terminal: Terminal) -> None:
    ran = bring_in(terminal, line("a"), line("b"))
    assert (ran.code, counts(ran)) == (0, (2, 0, 0))
    assert terminal.show("a")["status"] == "queued"


def test_the_same_lines_again_change_nothing(terminal: Terminal) -> None:
    lines = [line(f"k{number}") for number in range(BATCH + 1)]
    bring_in(terminal, *lines)
    before = terminal.show("k0")
    again = bring_in(terminal, *lines)
    assert (again.code, counts(again)) == (0, (0, BATCH + 1, 0))
    assert terminal.show("k0") == before


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("nonsense", "should be a JSON object"),
        ("[1]", "should be a JSON object"),
        ('"text"', "should be a JSON object"),
        (b'{"user_id": "\xff"}', "should be UTF-8"),
        (
            line("k", amount=1).replace("1}", "NaN}").replace('"amount": 1,', '"amount": NaN,'),
            "NaN is not JSON",
        ),
        ('{"user_id": "a", "user_id": "b"}', "user_id: should be there once"),
        ("[" * 60_000, "should be a JSON object"),
        ('{"amount": ' + "9" * 9000 + "}", "too many digits"),
        ("x" * (MAX_LINE + 1), "at most 65536 bytes"),
        (line("k", amount=1.5), "amount: should be a whole number"),
        (line("k", amount="10"), "amount: should be a whole number"),
        (line("k", amount=True), "amount: should be a whole number"),
        (line("k", amount=0), "amount: should be at least 1"),
        (line("k", amount=10**12), "amount: should be at most"),
        (line("k", currency="XXX"), "currency: should be an ISO 4217 code"),
        (line("k", currency=[]), "currency: should be an ISO 4217 code"),
        (line(""), "idempotency_key: should be a text that is not empty"),
        (line("k" * 256), "idempotency_key: should be at most 255"),
        (line("k", user_id="\ud800"), "user_id: should not hold U+D800 (half of a surrogate pair)"),
        (line("k", note="hi"), "note: is not a field of an order"),
        ("{}", "user_id: is missing"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_line_is_told_by_its_number_and_the_others_are_accepted(
    terminal: Terminal, bad: str | bytes, problem: str
) -> None:
    ran = bring_in(terminal, line("before"), bad, line("after"))
    assert (ran.code, counts(ran)) == (1, (2, 0, 1))
    assert problem in problems(ran)[2]
    assert keys(terminal) == {"before", "after"}


def test_a_line_with_a_key_of_another_order_does_not_take_its_batch_along(
    terminal: Terminal, database_url: str
) -> None:
    terminal.set(DATABASE_URL=database_url)
    assert terminal.run("db", "upgrade").code == 0
    bring_in(terminal, line("a"), line("b"), line("c"))
    ran = bring_in(terminal, line("x"), line("a", amount=1), line("b"), line("c", user_id="u2"), line("y"))
    assert (ran.code, counts(ran)) == (1, (2, 1, 2))
    assert "another amount" in problems(ran)[2]
    assert "another user_id" in problems(ran)[4]
    assert keys(terminal) == {"a", "b", "c", "x", "y"}
    assert terminal.show("a")["amount"] == 10_000


def test_of_two_lines_with_one_key_the_first_counts(terminal: Terminal) -> None:
    ran = bring_in(terminal, line("a"), line("a", amount=1), line("a"))
    assert (ran.code, counts(ran)) == (1, (1, 1, 1))
    assert "line 1's, for another order" in problems(ran)[2]
    assert terminal.show("a")["amount"] == 10_000


def test_empty_lines_a_byte_order_mark_and_windows_line_ends_are_no_orders_and_no_faults(
    terminal: Terminal,
) -> None:
    ran = terminal.run(
        "orders", "import", "-", "-o", "json", stdin=f"\ufeff{line('a')}\r\n\r\n  \n{line('b')}".encode()
    )
    assert (ran.code, counts(ran)) == (0, (2, 0, 0))


def test_numbers_are_those_of_an_editor(terminal: Terminal) -> None:
    ran = bring_in(terminal, "", "x" * (3 * MAX_LINE), "", "nonsense")
    assert set(problems(ran)) == {2, 4}


def test_a_file_is_read_like_standard_input(terminal: Terminal) -> None:
    (terminal.folder / "orders.jsonl").write_text(line("a") + "\n" + line("b"))
    ran = terminal.run("orders", "import", "orders.jsonl", "-o", "json")
    assert (ran.code, counts(ran)) == (0, (2, 0, 0))


def test_an_empty_file_is_no_fault(terminal: Terminal) -> None:
    (terminal.folder / "orders.jsonl").touch()
    assert counts(terminal.run("orders", "import", "orders.jsonl", "-o", "json")) == (0, 0, 0)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_a_usage_error_that_names_it(terminal: Terminal, name: str) -> None:
    ran = terminal.run("orders", "import", name)
    assert ran.code == 2
    assert f"Invalid value for FILE: {name}: " in ran.err


def test_the_summary_is_a_sentence_where_text_was_asked_for(terminal: Terminal) -> None:
    ran = terminal.run("orders", "import", stdin=f"{line('a')}\nnonsense\n".encode())
    assert ran.out == "1 order accepted, 0 already known, 1 bad line.\n"
    assert "line 2: the line should be a JSON object" in ran.err


def test_a_database_that_goes_away_leaves_a_summary_and_an_import_that_can_be_run_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line(f"k{number}") for number in range(BATCH + 1)]
    enqueue = OrderProducer.enqueue

    def enqueue_one_batch(producer: OrderProducer, orders: Iterable[Order]) -> list[PlaceResult]:
        batch = list(orders)
        if len(batch) < BATCH:
            raise DatabaseUnavailableError("the orders database does not answer")
        return enqueue(producer, batch)

    monkeypatch.setattr(OrderProducer, "enqueue", enqueue_one_batch)
    ran = bring_in(terminal, *lines)
    assert (ran.code, ran.error["type"]) == (1, "database_unavailable")
    assert (counts(ran), ran.document["finished"]) == ((BATCH, 0, 0), False)
    monkeypatch.undo()
    assert counts(bring_in(terminal, *lines)) == (1, BATCH, 0)
