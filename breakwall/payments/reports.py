"""Reading a payment service's report of its charges: CSV with a header, or JSON Lines."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, NoReturn

from breakwall.payments.currencies import MINOR_DIGITS
from breakwall.payments.texts import character_problem

MAX_LINE = 65_536
"""Bytes; a file without line ends does not fill the memory."""

CHARGED = frozenset({"succeeded"})
NOT_CHARGED = frozenset({"declined", "failed", "processing", "cancelled", "canceled", "refunded"})

_COLUMNS = ("charge_id", "amount", "currency", "status")
_KEY_COLUMNS = ("key", "idempotency_key")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_BOM = b"\xef\xbb\xbf"


class UnreadableReportError(ValueError):
    """The report cannot be understood from this line on.

    Attributes:
        line: counted from 1.
        field: the column at fault; None for the line as a whole.
        problem: what would be right.
    """

    def __init__(self, line: int, field: str | None, problem: str) -> None:
        super().__init__(": ".join(part for part in (f"line {line}", field, problem) if part))
        self.line = line
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One charge as the payment service has it.

    Attributes:
        number: the line, counted from 1.
        key: the idempotency key that it came with.
        charge_id: the service's id; not None where it was charged.
        amount: minor units of ``currency``.
        currency: an ISO 4217 code in capitals.
        status: one of `CHARGED` or of `NOT_CHARGED`.
    """

    number: int
    key: str
    charge_id: str | None
    amount: int
    currency: str
    status: str

    @property
    def charged(self) -> bool:
        """Whether the customer's money stands charged."""
        return self.status in CHARGED


def read_report(stream: BinaryIO) -> Iterator[ReportLine]:
    """Read a report line by line; holds one line at a time.

    The columns are ``key`` (or ``idempotency_key``), ``charge_id``, ``amount`` (minor units), ``currency``
    and ``status``; others are passed over. It is JSON Lines when it begins with a brace. Where a charge has
    several lines, the last one is to be the newest.

    Raises:
        UnreadableReportError: naming the line and the field.
    """
    lines = _text_lines(stream)
    empty: list[str] = []
    for line in lines:
        if line.strip():
            all_lines = chain(empty, [line], lines)
            yield from (_json_lines if line.lstrip().startswith("{") else _csv_lines)(all_lines)
            return
        empty.append("\n")
    raise UnreadableReportError(
        1, None, "the report is empty; it should begin with a header or a JSON object"
    )


def _text_lines(stream: BinaryIO) -> Iterator[str]:
    number = 0
    while raw := stream.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE:
            raise UnreadableReportError(number, None, f"should be at most {MAX_LINE} bytes long")
        try:
            yield (raw.removeprefix(_BOM) if number == 1 else raw).decode()
        except UnicodeDecodeError:
            raise UnreadableReportError(number, None, "should be UTF-8 text") from None


def _json_lines(lines: Iterator[str]) -> Iterator[ReportLine]:
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield _line(number, _json_fields(number, text))


def _json_fields(number: int, text: str) -> dict[str, Any]:
    def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise UnreadableReportError(number, twice, "should be there once, not twice")
        return fields

    try:
        document = json.loads(text, object_pairs_hook=without_doubles)
    except UnreadableReportError:
        raise
    except (ValueError, RecursionError):  # Python reads neither thousands of digits nor of brackets.
        document = None
    if not isinstance(document, dict):
        raise UnreadableReportError(number, None, "should be a JSON object")
    return document


def _csv_lines(lines: Iterator[str]) -> Iterator[ReportLine]:
    reader = csv.reader(lines, strict=True)
    header: list[str] = []
    for row in _rows(reader):
        if not header:
            header = [name.strip().lower() for name in row]
            _check_header(reader.line_num, header)
        elif len(row) > len(header):
            wrong = f"has {len(row)} fields, the header has {len(header)}"
            raise UnreadableReportError(reader.line_num, None, wrong)
        else:
            # Shorter rows lack a field, and are told which.
            yield _line(reader.line_num, _csv_fields(dict(zip(header, row, strict=False))))


def _rows(reader: Any) -> Iterator[list[str]]:
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        raise UnreadableReportError(reader.line_num, None, f"should be comma-separated: {error}") from None


def _check_header(number: int, header: list[str]) -> None:
    for name in _COLUMNS:
        if name not in header:
            raise UnreadableReportError(number, name, "is missing from the header")
    if not any(name in header for name in _KEY_COLUMNS):
        raise UnreadableReportError(number, "key", "is missing from the header")
    for name in (*_COLUMNS, *_KEY_COLUMNS):
        if header.count(name) > 1:
            raise UnreadableReportError(number, name, "should be in the header once, not twice")


def _csv_fields(row: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: text.strip() for name, text in row.items()}
    amount = fields.get("amount", "")
    if _WHOLE_NUMBER.fullmatch(amount):
        fields["amount"] = int(amount)
    return fields


def _line(number: int, fields: Mapping[str, Any]) -> ReportLine:
    key = _key(number, fields)
    status = _text(number, "status", fields.get("status")).lower()
    if status not in CHARGED | NOT_CHARGED:
        _refuse(number, "status", f"should be one of {', '.join(sorted(CHARGED | NOT_CHARGED))}")
    charge_id = fields.get("charge_id") or None
    if charge_id is not None or status in CHARGED:
        charge_id = _text(number, "charge_id", charge_id)
    amount = fields.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, int) or not _WHOLE_NUMBER.fullmatch(str(amount)):
        _refuse(number, "amount", "should be a whole number of minor units: $10.00 is 1000, ₩10,000 is 10000")
    currency = _text(number, "currency", fields.get("currency")).upper()
    if currency not in MINOR_DIGITS:
        _refuse(number, "currency", "should be an ISO 4217 code, such as KRW or USD")
    return ReportLine(number, key, charge_id, amount, currency, status)


def _key(number: int, fields: Mapping[str, Any]) -> str:
    names = [name for name in _KEY_COLUMNS if fields.get(name)]
    if len(names) > 1 and fields["key"] != fields["idempotency_key"]:
        _refuse(number, "key", "should not differ from idempotency_key")
    name = names[0] if names else "key"
    return _text(number, name, fields.get(name))


def _text(number: int, field: str, value: Any) -> str:
    if value is None:
        _refuse(number, field, "is missing")
    if not isinstance(value, str) or not value.strip():
        _refuse(number, field, "should be a text that is not empty")
    if problem := character_problem(value):
        _refuse(number, field, problem)
    return str(value)


def _refuse(number: int, field: str, problem: str) -> NoReturn:
    raise UnreadableReportError(number, field, problem)
