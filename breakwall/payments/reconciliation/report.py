"""Reads a payment service's report of its charges, line by line."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from breakwall.currencies import MINOR_DIGITS
from breakwall.files.amounts import AmountError, DecimalAmountError, Units, minor_units
from breakwall.files.columns import Columns
from breakwall.files.errors import UnreadableFileError
from breakwall.files.lines import MAX_RECORD
from breakwall.files.records import Record, Records
from breakwall.payments.reconciliation.charge_status import (
    CHARGED,
    REFUND,
    UNREADABLE,
    Meaning,
    decisive,
    meaning_of,
    normalized,
)
from breakwall.texts import text_problem

# What `--columns` can name. `refund_of` is the charge that a refund with an id of its own gives back.
FIELDS = ("key", "charge_id", "amount", "currency", "status", "order_id", "refund_of")

_NEEDED = ("charge_id", "amount", "currency", "status")
_NAMES = ("key", "charge_id", "order_id", "refund_of")
_DEFAULTS = {**{name: (name,) for name in FIELDS}, "key": ("key", "idempotency_key")}

NO_STATUS = "(no status)"  # A line without a status, such as a total, is counted as this.
MAX_STATUSES = 1000
OTHER_STATUSES = (
    "(other words)"  # More statuses are counted as this: a column of free text must not fill the memory.
)
MAX_PROBLEMS = 20  # Unreadable lines that are reported one by one.


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What one line of the report says. Of a line that charged, charge id, amount and currency are never None."""

    number: int  # counted from 1
    key: str | None  # the idempotency key that the charge was made with
    charge_id: str | None  # the service's id
    amount: int | None  # minor units of `currency`
    currency: str | None  # an ISO 4217 code in capitals
    status: str  # the service's own word, normalized
    order_id: str | None = None  # our order's id, if the service repeats it

    @property
    def meaning(self) -> Meaning:
        return meaning_of(self.status)

    @property
    def charged(self) -> bool:
        return self.meaning is Meaning.CHARGED

    @property
    def named(self) -> bool:
        """Whether the line names what it is about."""
        return bool(self.key or self.charge_id or self.order_id)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot be read, and what would be right."""

    line: int
    field: str | None
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (f"line {self.line}", self.field, self.problem) if part)


class _LineError(ValueError):
    """A line that cannot be read: its field, or None, and the problem."""


class Report(Iterable[ReportLine]):
    """The lines of a report, one at a time, from CSV or JSON, compressed with gzip or not.

    If a charge has several lines, the last one must be the newest. `UnreadableFileError` may be raised until the last
    line; then nothing of the file may be trusted.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,  # by field, if other than its name
        units: Units = Units.MINOR,
        charged: Collection[str] = (),  # other statuses of this file that mean a charge
        prefix: str = "",  # only charges whose key, or id if they have no key, begins so are ours
        encoding: str | None = None,  # None: as a byte order mark says, else UTF-8, else Windows-1252
    ) -> None:
        self._records = Records(stream, Columns(_DEFAULTS, _NEEDED, columns), encoding=encoding, lenient=True)
        self._units = units
        self._charged = frozenset(map(normalized, charged))
        self.prefix = prefix
        self.skipped: Counter[str] = Counter()  # lines that are no charge, by status
        self.unreadable = 0  # lines
        self.problems: list[Problem] = []  # of the first `MAX_PROBLEMS` of them
        self.of_others = 0  # lines without the prefix

    @property
    def legacy(self) -> bool:
        """Whether the file was read as Windows-1252."""
        return self._records.legacy

    def __iter__(self) -> Iterator[ReportLine]:
        for record in self._records:
            line = self._line(record)
            if line is None:
                self.of_others += 1
                continue
            if line.meaning is Meaning.NO_CHARGE:
                self._count_skipped(line.status or NO_STATUS)
            yield line

    def _count_skipped(self, status: str) -> None:
        known = status in self.skipped or len(self.skipped) < MAX_STATUSES
        self.skipped[status if known else OTHER_STATUSES] += 1

    def _line(self, record: Record) -> ReportLine | None:
        """The line; None if it does not have our prefix."""
        names: dict[str, str | None] = {}
        try:
            names = _names(record)
            if not (names["key"] or names["charge_id"] or self.prefix).startswith(self.prefix):
                return None
            return self._read(record, names)
        except DecimalAmountError as error:
            # The whole file has one unit, so the amounts before this one were misread too.
            raise UnreadableFileError(record.number, "amount", str(error)) from None
        except _LineError as error:
            self.unreadable += 1
            if len(self.problems) < MAX_PROBLEMS:
                self.problems.append(Problem(record.number, *error.args))
        # The line still counts, so its order is not missing in the report.
        key, charge_id, order_id = (names.get(name) for name in ("key", "charge_id", "order_id"))
        return ReportLine(record.number, key, charge_id, None, None, UNREADABLE, order_id)

    def _read(self, record: Record, names: Mapping[str, str | None]) -> ReportLine:
        values, charge_id = record.values, names["charge_id"]
        status = self._status(values.get("status", ()))
        amount, currency = _money(values, self._units, required=meaning_of(status) is Meaning.CHARGED)
        if meaning_of(status) is Meaning.CHARGED and amount is not None and amount < 0:
            status = REFUND
        match meaning_of(status):
            case Meaning.CHARGED if charge_id is None:
                raise _LineError("charge_id", "is missing, and it was charged")
            case Meaning.REFUNDED:
                amount = None if amount is None else abs(amount)
                charge_id = names["refund_of"] or charge_id
        return ReportLine(record.number, names["key"], charge_id, amount, currency, status, names["order_id"])

    def _status(self, values: Sequence[Any]) -> str:
        statuses = [normalized(_text("status", value)) for value in values]
        return decisive([CHARGED if status in self._charged else status for status in statuses])


def _names(record: Record) -> dict[str, str | None]:
    if record.problem:
        raise _LineError(None, record.problem)
    values = record.values
    keys = values.get("key", ())
    if len(set(map(str, keys))) > 1:
        raise _LineError("key", f"is {keys[0]!r} and {keys[1]!r}: should not differ")
    return {field: _text(field, values[field][0]) if values.get(field) else None for field in _NAMES}


def _money(
    values: Mapping[str, Sequence[Any]], units: Units, *, required: bool
) -> tuple[int | None, str | None]:
    try:
        currency = _currency(values)
        return _amount(values, currency, units), currency
    except (_LineError, DecimalAmountError):
        if required:
            raise
        return None, None


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


def _text(field: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**40 else ""  # Python writes no number of thousands of digits
    if problem := text_problem(value, limit=MAX_RECORD):
        raise _LineError(field, problem)
    return str(value).strip()
