"""Reading orders from files: CSV, a JSON array or JSON Lines, each record judged on its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, BinaryIO

from breakwall.currencies import MINOR_DIGITS
from breakwall.files.amounts import AmountError, Units, minor_units
from breakwall.files.columns import Columns
from breakwall.files.records import Record, Records
from breakwall.payments.orders import InvalidOrderError, Order

FIELDS = tuple(field.name for field in fields(Order))
"""What `--columns` can name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record, by the line that it begins on: an order, or what is wrong."""

    number: int
    order: Order | None = None
    problem: str | None = None


class OrderFile(Iterable[Line]):
    """The orders of a file, one at a time.

    Args:
        stream: the file.
        columns: for each of `FIELDS` that is called otherwise there, its columns. Then what has no name of ours is
            passed over; else a JSON object has to have exactly the fields of an order.
        units: what the amounts count.
        encoding: None: as a byte order mark says, else UTF-8.

    Attributes:
        position: bytes of the file that were read.

    Raises:
        UnreadableFileError: the file cannot be understood, or not any more; what came before stands.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        units: Units = Units.MINOR,
        encoding: str | None = None,
    ) -> None:
        wanted = Columns({name: (name,) for name in FIELDS}, FIELDS, columns)
        self._records = Records(stream, wanted, encoding=encoding, may_be_empty=True)
        self._units = units
        self._strict = self._records.json and not columns

    @property
    def position(self) -> int:
        return self._records.position

    def __iter__(self) -> Iterator[Line]:
        for record in self._records:
            try:
                yield self._judged(record)
            except (AmountError, InvalidOrderError) as error:
                yield Line(record.number, problem=_told(error))

    def _judged(self, record: Record) -> Line:
        if record.problem:
            return Line(record.number, problem=record.problem)
        found = record.document if self._strict and record.document is not None else _first(record.values)
        return Line(record.number, Order.from_json(self._with_amount(found)))

    def _with_amount(self, found: dict[str, Any]) -> dict[str, Any]:
        amount, currency = found.get("amount"), found.get("currency")
        if amount is None or not isinstance(currency, str):
            return found
        # JSON has numbers: a text where minor units should be is a mistake of whoever wrote it.
        if self._records.json and self._units is Units.MINOR and not isinstance(amount, Decimal):
            return found
        if currency not in MINOR_DIGITS:
            return {**found, "amount": 1}  # Of an unknown currency nothing can be said but that.
        return {**found, "amount": minor_units(amount, currency, self._units)}


def _first(values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    fields = {name: found[0] for name, found in values.items() if found}
    # Exports write ``usd``.
    currency = fields.get("currency")
    return fields | ({"currency": currency.upper()} if isinstance(currency, str) else {})


def _told(error: ValueError) -> str:
    return f"amount: {error}" if isinstance(error, AmountError) else str(error)
