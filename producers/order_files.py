"""Reads orders from files: CSV, a JSON array or JSON Lines. Each record is checked on its own."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO

from breakwall.currencies import MINOR_DIGITS
from breakwall.files.amounts import AmountError, Units, minor_units
from breakwall.files.columns import Columns
from breakwall.files.records import Record, Records
from breakwall.payments.orders import FIELDS, REQUIRED, InvalidOrderError, Order


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One record, by the line on which it begins: either an order or a problem."""

    number: int
    order: Order | None = None
    problem: str | None = None


class OrderFile(Iterable[OrderLine]):
    """The orders of a file, one at a time.

    Raises `UnreadableFileError` if the file cannot be read; this can happen after some orders were read.

    ``columns`` maps our `FIELDS` to the names of the file's columns, where these differ. With it, unknown columns are
    ignored; without it, an unknown field of a JSON object is a problem. The encoding is by default that of a byte order
    mark, else UTF-8.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        units: Units = Units.MINOR,
        encoding: str | None = None,
    ) -> None:
        wanted = Columns({name: (name,) for name in FIELDS}, REQUIRED, columns, secret=True)
        self._records = Records(stream, wanted, encoding=encoding, may_be_empty=True)
        self._units = units
        self._strict = self._records.json and not columns

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._records.position

    def __iter__(self) -> Iterator[OrderLine]:
        for record in self._records:
            try:
                yield self._read(record)
            except AmountError as error:
                yield OrderLine(record.number, problem=f"amount: {error}")
            except InvalidOrderError as error:
                yield OrderLine(record.number, problem=str(error))

    def _read(self, record: Record) -> OrderLine:
        if record.problem:
            return OrderLine(record.number, problem=record.problem)
        document = record.document if self._strict else None
        fields = _first_values(record.values) if document is None else document
        return OrderLine(record.number, Order.from_json(_with_details(self._with_amount(fields))))

    def _with_amount(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields, with the amount in minor units if it can be converted."""
        amount, currency = fields.get("amount"), fields.get("currency")
        if amount is None or not isinstance(currency, str):
            return fields
        # JSON has numbers, so an amount in minor units that is a text is an error in the file.
        if self._records.json and self._units is Units.MINOR and not isinstance(amount, Decimal):
            return fields
        if currency not in MINOR_DIGITS:
            return {**fields, "amount": 1}  # Any amount: the error to report is the unknown currency.
        return {**fields, "amount": minor_units(amount, currency, self._units)}


def _with_details(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with metadata that is JSON in a text, as in CSV, and with seconds as a number."""
    metadata, before = fields.get("metadata"), fields.get("charge_before")
    changed: dict[str, Any] = {}
    if isinstance(metadata, str):
        changed["metadata"] = _object_in(metadata)
    if isinstance(before, Decimal):
        changed["charge_before"] = float(before)
    return fields | changed


def _object_in(text: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidOrderError({"metadata": 'should be a JSON object of texts, such as {"cart": "17"}'})
    return found


def _first_values(values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    fields = {name: found[0] for name, found in values.items() if found}
    currency = fields.get("currency")
    # Some exports write ``usd``.
    return fields | ({"currency": currency.upper()} if isinstance(currency, str) else {})
