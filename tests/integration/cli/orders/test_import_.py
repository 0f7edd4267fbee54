"""`breakwall orders import`: each line on its own, and the same file again changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable

import pytest

from breakwall.files.lines import MAX_RECORD
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.orders import Order
from breakwall.producers.pending import PlaceResult
from breakwall.producers.producer import BATCH, OrderProducer
from tests.command import Ran, Terminal

GOOD = {"user_id": "u1", "amount": 10_000, "currency": "KRW", "idempotency_key": "k"}


def line(key: str, **changes: object) -> str:
    return json.dumps(GOOD | {"idempotency_key": key} | changes)


def bring_in(terminal: Terminal, *lines: str | bytes) -> Ran:
    encoded = (text if isinstance(text, bytes) else text.encode() for text in lines)
    return terminal.run("orders", "import", "-o", "json", stdin=b"\n".join(encoded) + b"\n")


def counts(ran: Ran) -> tuple[int, int, int]:
    summary = ran.document
    return summary["accepted"], summary["already_known"], summary["bad"]


def problems(ran: Ran) -> dict[int, str]:
    shown = [json.loads(text) for text in ran.err.splitlines() if text.startswith("{")]
    return {item["line"]: item["problem"] for item in shown if "line" in item}


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
        (b'{"user_id": "\xff"}', "byte 0xff at character 14 is not UTF-8"),
        (
            line("k", amount=1).replace("1}", "NaN}").replace('"amount": 1,', '"amount": NaN,'),
            "NaN is not JSON",
        ),
        ('{"user_id": "a", "user_id": "b"}', "user_id: should be there once"),
        ("[" * 60_000, "should be a JSON object"),
        ('{"amount": ' + "9" * 9000 + "}", "too many digits"),
        ("x" * (MAX_RECORD + 1), "at most 65536 characters"),
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
def test_a_bad_line_is_reported_by_its_number_and_the_others_are_accepted(
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


def test_a_key_that_cannot_be_sent_as_it_is_does_not_take_its_batch_along(terminal: Terminal) -> None:
    terminal.set(PAYMENT_KEYS="caller")
    ran = bring_in(terminal, line("a"), line("주" * 60), line("b"), line("문" * 60))
    assert (ran.code, counts(ran)) == (1, (2, 0, 2))
    assert {number: shown.partition(":")[0] for number, shown in problems(ran).items()} == {
        2: "idempotency_key",
        4: "idempotency_key",
    }
    assert keys(terminal) == {"a", "b"}


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
    ran = bring_in(terminal, "", line("a"), "x" * (3 * MAX_RECORD), "", "nonsense")
    assert set(problems(ran)) == {3, 5}


def test_a_file_is_read_like_standard_input(terminal: Terminal) -> None:
    (terminal.folder / "orders.jsonl").write_text(line("a") + "\n" + line("b"))
    ran = terminal.run("orders", "import", "orders.jsonl", "-o", "json")
    assert (ran.code, counts(ran)) == (0, (2, 0, 0))


LAYOUTS = {
    "array": json.dumps([json.loads(line("a")), json.loads(line("b"))]),
    "array, one object a line": f"[{line('a')},\n{line('b')}]",
    "array, laid out": json.dumps([json.loads(line("a")), json.loads(line("b"))], indent=2),
    "objects, laid out": "\n".join(json.dumps(json.loads(line(key)), indent=2) for key in "ab"),
    "csv": "user_id,amount,currency,idempotency_key\nu1,10000,KRW,a\nu1,10000,KRW,b\n",
    "csv of a spreadsheet": "sep=;\rUser ID;Amount;Currency;Idempotency Key\ru1;10000;KRW;a\ru1;10000;KRW;b\r",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_orders_are_read_however_they_are_laid_out(terminal: Terminal, layout: str, compressed: bool) -> None:
    data = gzip.compress(layout.encode()) if compressed else layout.encode()
    ran = terminal.run("orders", "import", "-", "-o", "json", stdin=data)
    assert (ran.code, counts(ran), keys(terminal)) == (0, (2, 0, 0), {"a", "b"})


def test_names_and_units_are_those_that_are_said(terminal: Terminal) -> None:
    (terminal.folder / "o.csv").write_text(
        "Customer\tTotal\tCurrency\tNo.\tNote\nu1\t10.50\tUSD\t000123\tx\n"
    )
    columns = "user_id=Customer,amount=Total,idempotency_key=No."
    command = ["orders", "import", "o.csv", "--columns", columns, "-o", "json"]
    refused = terminal.run(*command)
    assert (refused.code, counts(refused)) == (1, (0, 0, 1))
    assert "--amounts major" in problems(refused)[2]
    assert counts(terminal.run(*command, "--amounts", "major")) == (1, 0, 0)
    assert terminal.show("000123")["amount"] == 1050


def test_an_amount_of_major_units_is_exact_in_json_too(terminal: Terminal) -> None:
    lines = [line("a", amount=0.07, currency="USD"), line("b", amount="1,234.56", currency="USD")]
    lines += [line("c", amount=10, currency="USD"), line("d", amount=0.075, currency="USD")]
    data = "\n".join(lines).encode()
    ran = terminal.run("orders", "import", "-", "--amounts", "major", "-o", "json", stdin=data)
    assert (ran.code, counts(ran)) == (1, (3, 0, 1))
    assert "more decimals than USD" in problems(ran)[4]
    assert [terminal.show(key)["amount"] for key in "abc"] == [7, 123_456, 1_000]


def test_a_bad_row_takes_no_other_along_and_columns_that_are_not_ours_are_passed_over(
    terminal: Terminal,
) -> None:
    rows = ["user_id,note,amount,currency,idempotency_key", "u1,x,1,KRW,a", "u1,x,,KRW,b", ",x,1,KRW,c"]
    rows += ["u1,x,1,KRW,d,more", 'u1,"x,1,KRW,e', "u1,x,1,WON,f", "u1,x,1,krw,z"]
    ran = bring_in(terminal, *rows)
    assert (ran.code, counts(ran), keys(terminal)) == (1, (2, 0, 5), {"a", "z"})
    assert {number: shown.partition(":")[0] for number, shown in problems(ran).items()} == {
        3: "amount",
        4: "user_id",
        5: "has 6 columns, the header has 5",
        6: "cannot be split into columns",
        7: "currency",
    }


def test_no_encoding_is_guessed_where_names_are_stored(terminal: Terminal) -> None:
    data = "user_id,amount,currency,idempotency_key\nMüller,1,KRW,a\n".encode("cp1252")
    guessed = terminal.run("orders", "import", "-", "-o", "json", stdin=data)
    assert "say --encoding cp1252" in problems(guessed)[2]
    said = terminal.run("orders", "import", "-", "--encoding", "cp1252", "-o", "json", stdin=data)
    assert counts(said) == (1, 0, 0)
    assert terminal.show("a")["user_id"] == "Müller"


@pytest.mark.parametrize("name", ["José\u00a0Núñez", "👩\u200d💻", "ﬁ\u202fx"])
def test_a_user_may_be_called_as_people_are(terminal: Terminal, name: str) -> None:
    assert counts(bring_in(terminal, line("a", user_id=name))) == (1, 0, 0)
    assert terminal.show("a")["user_id"] == name


def test_an_array_that_is_not_whole_is_reported_and_what_was_accepted_is_too(terminal: Terminal) -> None:
    rows = ",\n".join(line(f"k{number}") for number in range(BATCH + 1))
    ran = terminal.run("orders", "import", "-", "-o", "json", stdin=f"[{rows}".encode())
    assert (ran.code, ran.error["type"]) == (2, "unreadable_file")
    assert "not whole" in ran.error["message"]
    assert (counts(ran), ran.document["finished"]) == ((BATCH, 0, 0), False)


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
    assert "line 2: should be a JSON object" in ran.err


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
