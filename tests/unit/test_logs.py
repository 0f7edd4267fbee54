"""One event is one line, in JSON or as text, and no text of another program can break it."""

import json
import logging
import sys
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.logs import MAX_FIELD, LineFormatter, is_json_on
from breakwall.terminal.logs import show_warnings
from breakwall.texts import is_allowed

EVIL = "cart\n2026 ERROR forged\r\x1b[2J\x85\u2028\u2029\u202egpj\x7f\x00"


class FaultError(Exception):
    pass


def record(message: str, *args: object, error: bool = False, **fields: object) -> logging.LogRecord:
    exc_info = None
    if error:
        try:
            raise FaultError(EVIL)  # noqa: TRY301 - to be caught here
        except FaultError:
            exc_info = sys.exc_info()
    made = logging.LogRecord("shop.x", logging.WARNING, __file__, 1, message, args, exc_info)
    made.created = 0.25
    vars(made).update(fields)
    return made


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line = LineFormatter(as_json=True).format(made)
    assert "\n" not in line
    assert all(" " <= char <= "~" for char in line)
    document: dict[str, Any] = json.loads(line)
    return document


def test_an_event_in_json_has_its_time_level_logger_and_fields() -> None:
    assert as_json(record("order %s: %s", "cart-17", "queued", order_id="1", delay=2.5)) == {
        "timestamp": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "shop.x",
        "event": "order cart-17: queued",
        "order_id": "1",
        "delay": 2.5,
    }


def test_the_same_as_text() -> None:
    line = LineFormatter(as_json=False).format(record("order %s", "cart-17", order_id="1"))
    assert line == "1970-01-01T00:00:00.250Z WARNING shop.x: order cart-17"


def test_another_programs_text_can_neither_break_a_line_nor_reverse_it() -> None:
    """A row of the fault map: an id with a newline or ESC in a message was raw in the log."""
    document = as_json(record("order %s", EVIL, key=EVIL, nested={EVIL: [EVIL]}))
    shown = "cart\\n2026 ERROR forged\\r\\x1b[2J\\x85\\u2028\\u2029\\u202egpj\\x7f\\x00"
    assert document["event"] == f"order {shown}"
    assert document["key"] == shown
    assert document["nested"] == {shown: [shown]}
    assert LineFormatter(as_json=False).format(record("order %s", EVIL)).endswith(f": order {shown}")


@given(text=st.text())
def test_whatever_the_text_it_is_one_visible_line(text: str) -> None:
    assert is_allowed(as_json(record("%s", text))["event"])
    line = LineFormatter(as_json=False).format(record("%s", text))
    assert is_allowed(line)
    assert len(line.splitlines()) == 1


def test_a_traceback_is_one_field() -> None:
    document = as_json(record("failed", error=True))
    assert document["event"] == "failed"
    assert document["exception"].startswith("Traceback (most recent call last):\n")
    assert "FaultError: cart\n2026 ERROR forged" in document["exception"]
    assert "\x1b" not in document["exception"]


def test_a_tracebacks_lines_cannot_be_taken_for_events() -> None:
    first, *others = LineFormatter(as_json=False).format(record("failed", error=True)).split("\n")
    assert first.endswith("failed")
    assert others
    assert all(line.startswith("    ") and is_allowed(line) for line in others)


def test_arguments_that_do_not_fit_do_not_cost_the_line() -> None:
    assert as_json(record("%d of %d", "x"))["event"] == "%d of %d (with arguments that do not fit)"


def test_celerys_copy_of_the_message_is_left_out() -> None:
    assert "data" not in as_json(record("x", data={"args": EVIL}))


def test_a_value_that_is_no_json_is_written_as_text() -> None:
    assert as_json(record("x", what={1, 2}, why=FaultError("no")))["why"] == "no"


class Hostile:
    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __str__


def test_an_object_without_a_repr_is_reported_in_a_line() -> None:
    endless: list[object] = []
    endless.append(endless)
    for made in (record("paid", bad=Hostile()), record("paid", bad=endless), record("x")):
        made.msg = Hostile() if made.msg == "x" else made.msg
        document = as_json(made)
        assert document["event"].startswith("a line that cannot be written (")
        assert document["logger"] == "shop.x"


def test_numbers_that_json_does_not_have_are_texts() -> None:
    line = LineFormatter(as_json=True).format(record("paid", rate=float("nan"), limit=float("inf")))
    document = json.loads(line, parse_constant=pytest.fail)
    assert (document["rate"], document["limit"]) == ("nan", "inf")


def test_a_field_called_event_does_not_replace_the_sentence() -> None:
    assert as_json(record("paid", event="mine"))["event"] == "paid"


def test_a_huge_list_is_cut() -> None:
    assert len(as_json(record("paid", of_strangers=["x" * 1000] * 1000))["of_strangers"]) < 5000


def test_a_huge_text_is_cut() -> None:
    event = as_json(record("%s", "x" * 1_000_000))["event"]
    assert len(event) < MAX_FIELD + 100
    assert event.endswith("(1,000,000 characters)")


def test_structlogs_own_loggers_come_out_alike() -> None:
    structlog = pytest.importorskip("structlog")
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter(as_json=True))
    logger = logging.Logger("shop.y")
    logger.addHandler(handler)
    wrap = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    structlog.wrap_logger(logger, processors=[wrap]).warning("paid", key=EVIL)
    document = json.loads(written.getvalue())
    assert (document["event"], document["logger"]) == ("paid", "shop.y")
    assert is_allowed(document["key"])


@pytest.mark.parametrize(
    ("chosen", "terminal", "is_json"),
    [("auto", True, False), ("auto", False, True), ("json", True, True), ("text", False, False)],
)
def test_it_is_json_where_there_is_no_terminal_or_as_it_is_set(
    chosen: str, terminal: bool, is_json: bool
) -> None:
    stream = StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    assert is_json_on(stream, chosen) is is_json


def test_a_stream_that_cannot_tell_is_no_terminal() -> None:
    assert is_json_on(object(), "auto")


def warn() -> None:
    made = record("%s", EVIL)
    assert logging.lastResort is not None
    logging.lastResort.handle(made)


@pytest.mark.usefixtures("last_resort")
def test_a_commands_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_warnings(as_json=False)
    warn()
    told = capsys.readouterr().err
    assert told.startswith("Warning: cart\\n2026")
    assert len(told.splitlines()) == 1


@pytest.mark.usefixtures("last_resort")
def test_a_commands_warning_in_json_has_the_fields_of_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKWALL_LOG__FORMAT", "json")
    show_warnings(as_json=False)
    warn()
    document = json.loads(capsys.readouterr().err)
    assert document["warning"].startswith("cart\\n2026")
    assert (document["level"], document["logger"]) == ("warning", "shop.x")
