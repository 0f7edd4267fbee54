"""A payment service's report of its charges: what each of its lines says, in our words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from breakwall.currencies import MINOR_DIGITS
from breakwall.files.amounts import AmountError, DecimalAmountError, Units, minor_units
from breakwall.files.columns import Columns
from breakwall.files.errors import UnreadableFileError
from breakwall.files.records import Record, Records
from breakwall.payments.reconciliation.charge_status import (
    CHARGED,
    REFUND,
    UNREADABLE,
    Meaning,
    decisive,
    meaning_of,
    normal,
)
from breakwall.pickling import Picklable
from breakwall.texts import character_problem

FIELDS = ("key", "charge_id", "amount", "currency", "status", "order_id", "refund_of")
"""What `--columns` can name. ``refund_of`` is the charge that a refund with an id of its own gives back."""

_NEEDED = ("charge_id", "amount", "currency", "status")
_DEFAULTS = {
    "key": ("key", "idempotency_key"),
    **{name: (name,) for name in (*_NEEDED, "order_id", "refund_of")},
}
NO_STATUS = "(no status)"
"""What lines are counted as that have none, such as a total."""

WORDS = 1000
OTHER_WORDS = "(other words)"
"""What all words beyond `WORDS` are counted as: a column of free text does not fill the memory."""

TOLD = 20
"""Unreadable lines that are told one by one."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What one line of the report says.

    Attributes:
        number: the line, counted from 1.
        key: the idempotency key that the charge came with, if the line has it.
        charge_id: the service's id; not None where it was charged.
        amount: minor units of ``currency``; None where the line has none and nothing was charged.
        currency: an ISO 4217 code in capitals; likewise.
        status: in small letters, as the service calls it.
        order_id: our order, if the line says so.
    """

    number: int
    key: str | None
    charge_id: str | None
    amount: int | None
    currency: str | None
    status: str
    order_id: str | None = None

    @property
    def meaning(self) -> Meaning:
        """What that says of the customer's money."""
        return meaning_of(self.status)

    @property
    def charged(self) -> bool:
        """Whether the customer's money stands charged."""
        return self.meaning is Meaning.CHARGED

    @property
    def named(self) -> bool:
        """Whether it can be told what the line is about."""
        return bool(self.key or self.charge_id or self.order_id)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot be read, and what would be right."""

    line: int
    field: str | None
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (f"line {self.line}", self.field, self.problem) if part)


class _LineError(Picklable, ValueError):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field
        self.problem = problem


class Report(Iterable[ReportLine]):
    """The lines of a report, one at a time, from CSV or JSON, within gzip or not.

    Where a charge has several lines, the last one is to be the newest.

    Args:
        stream: the file.
        columns: for each of `FIELDS` that is called otherwise there, its columns.
        units: what the amounts count.
        charged: words by which this file calls a charge, beside those that are known.
        prefix: only charges whose key, or else whose id, begins so are ours.
        encoding: None: as a byte order mark says, else UTF-8, else Windows-1252.

    Attributes:
        skipped: lines that are no charge, by what they are called: ``{"pending": 2}``.
        unreadable: how many lines cannot be read.
        problems: the first `TOLD` of them.
        of_others: lines without the prefix.

    Raises:
        UnreadableFileError: at any time until the last line; nothing of the file is to be believed.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        units: Units = Units.MINOR,
        charged: Collection[str] = (),
        prefix: str = "",
        encoding: str | None = None,
    ) -> None:
        self._records = Records(stream, Columns(_DEFAULTS, _NEEDED, columns), encoding=encoding, lenient=True)
        self._units = units
        self._charged = frozenset(map(normal, charged))
        self._prefix = prefix
        self.skipped: Counter[str] = Counter()
        self.unreadable = self.of_others = 0
        self.problems: list[Problem] = []

    @property
    def legacy(self) -> bool:
        """Whether it was taken for Windows-1252."""
        return self._records.legacy

    def __iter__(self) -> Iterator[ReportLine]:
        for record in self._records:
            line = self._line(record)
            if line is None:
                self.of_others += 1
                continue
            if line.meaning is Meaning.NO_CHARGE:
                word = line.status or NO_STATUS
                self.skipped[word if word in self.skipped or len(self.skipped) < WORDS else OTHER_WORDS] += 1
            yield line

    def _line(self, record: Record) -> ReportLine | None:
        """The line, or None for another's."""
        names: dict[str, str | None] = {}
        try:
            names = _names(record)
            if not (names["key"] or names["charge_id"] or self._prefix).startswith(self._prefix):
                return None
            return self._read(record, names)
        except DecimalAmountError as error:
            # Units are the whole file's: what was read before is as wrong.
            raise UnreadableFileError(record.number, "amount", str(error)) from None
        except _LineError as error:
            self._unreadable(Problem(record.number, error.field or None, error.problem))
        # Its order is not missing from the report, only unclear.
        key, charge_id, order_id = (names.get(name) for name in ("key", "charge_id", "order_id"))
        return ReportLine(record.number, key, charge_id, None, None, UNREADABLE, order_id)

    def _read(self, record: Record, names: Mapping[str, str | None]) -> ReportLine:
        values = record.values
        status = self._status(values.get("status", ()))
        if meaning_of(status) is not Meaning.CHARGED:
            return _with(record.number, names, *_money_if_any(values, self._units), status)
        currency = _currency(values)
        amount = _amount(values, currency, self._units)
        if amount < 0:
            return _with(record.number, names, amount, currency, REFUND)
        if names["charge_id"] is None:
            raise _LineError("charge_id", "is missing, and it was charged")
        return _with(record.number, names, amount, currency, status)

    def _status(self, values: Sequence[Any]) -> str:
        words = [normal(_text("status", value)) for value in values]
        return decisive([CHARGED if word in self._charged else word for word in words])

    def _unreadable(self, problem: Problem) -> None:
        self.unreadable += 1
        if len(self.problems) < TOLD:
            self.problems.append(problem)


def _with(
    number: int, names: Mapping[str, str | None], amount: int | None, currency: str | None, status: str
) -> ReportLine:
    charge_id = names["charge_id"]
    if meaning_of(status) is Meaning.REFUNDED:
        amount = None if amount is None else abs(amount)
        charge_id = names["refund_of"] or charge_id
    return ReportLine(number, names["key"], charge_id, amount, currency, status, names["order_id"])


def _names(record: Record) -> dict[str, str | None]:
    if record.problem:
        raise _LineError("", record.problem)
    values = record.values
    keys = values.get("key", ())
    if len(set(map(str, keys))) > 1:
        raise _LineError("key", f"is {keys[0]!r} and {keys[1]!r}: should not differ")
    fields = ("key", "charge_id", "order_id", "refund_of")
    return {field: _text(field, values[field][0]) if values.get(field) else None for field in fields}


def _currency(values: Mapping[str, Sequence[Any]]) -> str:
    found = values.get("currency")
    currency = _text("currency", found[0]).upper() if found else ""
    if currency not in MINOR_DIGITS:
        raise _LineError("currency", "should be an ISO 4217 code, such as KRW or USD")
    return currency


def _amount(values: Mapping[str, Sequence[Any]], currency: str, units: Units) -> int:
    found = values.get("amount")
    if not found:
        raise _LineError("amount", "is missing")
    try:
        return minor_units(found[0], currency, units)
    except DecimalAmountError:
        raise
    except AmountError as error:
        raise _LineError("amount", str(error)) from None


def _money_if_any(values: Mapping[str, Sequence[Any]], units: Units) -> tuple[int | None, str | None]:
    try:
        currency = _currency(values)
        return _amount(values, currency, units), currency
    except (_LineError, DecimalAmountError):
        return None, None


def _text(field: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**40 else ""
    if not isinstance(value, str) or not value.strip():
        raise _LineError(field, "should be a text that is not empty")
    if problem := character_problem(value):
        raise _LineError(field, problem)
    return value.strip()
