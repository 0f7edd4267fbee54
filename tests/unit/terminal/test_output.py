"""Texts from elsewhere on a terminal: shown as they are, but for what would steer it."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from breakwall.cli.errors import report
from breakwall.payments.orders import IdempotencyConflictError
from breakwall.terminal.logs import show_warnings
from breakwall.terminal.options import Format
from breakwall.terminal.output import (
    field_lines,
    plain,
    say,
    write_list,
    write_note,
    write_result,
    write_table,
)
from tests.texts import FAMILY, REFUSED, TYPED, accepted_texts


@pytest.fixture
def last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where warnings go is set for the whole process; here, until the test ends."""
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)


@given(accepted_texts())
def test_an_accepted_text_is_shown_as_it_is(text: str) -> None:
    assert Text.from_markup(plain(text), emoji=False).plain == text


@given(accepted_texts(), accepted_texts())
def test_it_is_neither_a_style_nor_changes_the_markup_around_it(first: str, second: str) -> None:
    markup = f"[b]{plain(first)}[/] (key {plain(second)})[red]: x[/]"
    assert Text.from_markup(markup, emoji=False).plain == f"{first} (key {second}): x"


@pytest.mark.parametrize("char", REFUSED, ids=ascii)
def test_what_was_stored_before_it_was_refused_is_made_visible(char: str) -> None:
    assert Text.from_markup(plain(f"a{char}b"), emoji=False).plain == f"a{ascii(char)[1:-1]}b"


@pytest.mark.parametrize("text", TYPED.values(), ids=TYPED)
def test_a_table_and_a_list_of_fields_show_it_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(*field_lines({"key": plain(text)}))
    write_table(("order", "key", "status"), [("1", plain(text), "paid")])
    assert capsys.readouterr().out.count(text) == 2


@given(accepted_texts(longest=60), st.integers(min_value=12, max_value=40))
def test_a_narrow_terminal_takes_nothing_from_it_but_spaces(text: str, width: int) -> None:
    from rich.table import Table

    table = Table(box=None)
    table.add_column("key", overflow="fold")
    table.add_row(plain(text))
    console = Console(file=io.StringIO(), width=width, emoji=False)
    console.print(table, highlight=False)
    shown = "".join(console.file.getvalue().split()[1:])  # type: ignore[attr-defined]
    assert shown == "".join(text.split())


def test_an_error_that_tells_of_it_is_as_safe(capsys: pytest.CaptureFixture[str]) -> None:
    report(IdempotencyConflictError(f"{FAMILY}\x1b[2J\u202e", ["amount"]), as_json=False)
    assert f"'{FAMILY}\\x1b[2J\\u202e'" in capsys.readouterr().err


def test_a_note_keeps_its_lines_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    write_note(f"one {FAMILY}\ntwo\x9b2J\u2066")
    assert capsys.readouterr().err == f"one {FAMILY}\ntwo\\x9b2J\\u2066\n"


def test_a_warning_steers_nothing(last_resort: None, capsys: pytest.CaptureFixture[str]) -> None:
    show_warnings(as_json=False)
    assert isinstance(logging.lastResort, logging.StreamHandler)
    logging.lastResort.handle(logging.makeLogRecord({"msg": "a\nb\u202e", "levelno": logging.WARNING}))
    assert capsys.readouterr().err == "Warning: a\\nb\\u202e\n"


@pytest.mark.parametrize(
    ("output", "written"), [(Format.JSON, '{\n  "a": 1\n}\n'), (Format.TEXT, "one\ntwo\n")]
)
def test_a_result_is_a_document_or_lines(
    output: Format, written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(output, {"a": 1}, "one", "two")
    assert capsys.readouterr().out == written


@pytest.mark.parametrize(
    ("output", "out"), [(Format.JSON, "[\n  1,\n  2\n]\n"), (Format.TEXT, "number\n1     \n2     \n")]
)
@pytest.mark.parametrize(
    ("rows", "err"), [([1, 2], ""), ([1, 2, 3], "There are more than these 2; --limit shows more.\n")]
)
def test_a_list_says_when_there_is_more_of_it(
    output: Format, out: str, rows: list[int], err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(output, rows, 2, lambda row: row, ("number",), lambda row: (str(row),))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (out, err)


def test_a_long_text_wraps_within_the_terminal_and_an_id_beside_it_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("breakwall.terminal.output.screen", lambda: (100, 24))
    rows = [("1" * 32, "a charge to refund " * 12)]
    write_table(("order", "detail"), rows, wrapped=("detail",))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith("1" * 32)


def test_on_a_narrow_terminal_each_row_is_a_list_of_its_fields(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("breakwall.terminal.output.screen", lambda: (40, 24))
    write_table(("order", "detail"), [("1" * 32, "two charges")] * 2, wrapped=("detail",))
    fields = [f"order   {'1' * 32}", "detail  two charges"]
    assert capsys.readouterr().out.splitlines() == [*fields, "", *fields]


def test_in_a_pipe_each_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("order", "detail"), [("1", "a charge to refund " * 12)], wrapped=("detail",))
    assert len(capsys.readouterr().out.splitlines()) == 2
