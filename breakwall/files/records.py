"""The one reader of records: the values of our fields in each row or object of a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from breakwall.files.columns import Columns, fold, shown, value_at
from breakwall.files.csv_rows import CsvRow, find_header, read_rows
from breakwall.files.errors import UnreadableFileError
from breakwall.files.json_objects import JsonObject, read_array, read_lines_of_objects
from breakwall.files.lines import Lines
from breakwall.files.source import open_text

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Record:
    """One row or object."""

    number: int  # the line that it begins on, counted from 1
    # By field, the values of its columns that are not empty; texts from CSV.
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    document: dict[str, Any] | None = None  # the whole object, from JSON
    problem: str | None = None  # why it cannot be read; then there is nothing else


class Records(Iterable[Record]):
    """Reads CSV, a JSON array or JSON Lines, with one record in memory at a time.

    Construction and iteration raise `UnreadableFileError` if the file as a whole cannot be understood.
    """

    def __init__(
        self,
        stream: BinaryIO,  # from the file's beginning
        columns: Columns,
        *,
        encoding: str | None = None,  # None: as a byte order mark says, else UTF-8
        lenient: bool = False,  # read CSV that is not UTF-8 as Windows-1252
        may_be_empty: bool = False,
    ) -> None:
        self._text = open_text(stream, encoding)
        self._columns = columns
        self._may_be_empty = may_be_empty
        self._lines = Lines(self._text, lenient=lenient and not self.json)

    @property
    def json(self) -> bool:
        return self._text.first in {"{", "["}

    @property
    def legacy(self) -> bool:
        """Whether the file is read as Windows-1252."""
        return self._lines.legacy

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._text.source.position

    def __iter__(self) -> Iterator[Record]:
        if self._text.first == "[":
            return self._objects(read_array(self._text))
        if self._text.first == "{":
            return self._objects(read_lines_of_objects(self._lines))
        return self._rows()

    def _rows(self) -> Iterator[Record]:
        header, found = find_header(self._lines, self._columns.fits)
        if not header.names and self._may_be_empty:
            return
        if not header.names:
            raise UnreadableFileError(
                None, None, "the file is empty; it should begin with a header, or be JSON"
            )
        if len(header.names) == 1 and not found:
            problem = f"should be columns with , ; | or tabs between them, and is {shown(header.names[0])}"
            raise UnreadableFileError(header.number, None, problem)
        bound = self._columns.bind(header.number, header.names)
        for row in read_rows(self._lines, header.separator):
            yield _record(row, bound, len(header.names))

    def _objects(self, objects: Iterator[JsonObject]) -> Iterator[Record]:
        missing = self._columns.needed
        first: JsonObject | None = None
        for found in objects:
            if first is None:
                first = found
                self._refuse_envelope(found)
            missing = {name: columns for name, columns in missing.items() if not _has(found.fields, columns)}
            yield Record(found.number, self._columns.values(found.fields), found.fields, found.problem)
        if first and missing:
            self._columns.check(first.number, {name: fold(name) for name in first.fields})

    def _refuse_envelope(self, found: JsonObject) -> None:
        """Raise if the file is a service's answer: a list inside an object."""
        if self._columns.fits([fold(name) for name in found.fields]):
            return
        for name, value in found.fields.items():
            if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                problem = (
                    f"is a list of {len(value)} objects within an object, and the file should be the list alone, "
                    f"or one object a line: jq -c '.{shown(name)}[]' converts it"
                )
                raise UnreadableFileError(found.number, shown(name), problem)


def _has(document: Mapping[str, Any], columns: Sequence[str]) -> bool:
    return any(value_at(document, name, _NOTHING) is not _NOTHING for name in columns)


def _record(row: CsvRow, bound: Mapping[str, Sequence[int]], width: int) -> Record:
    if row.problem:
        return Record(row.number, problem=row.problem)
    if any(cell.strip() for cell in row.cells[width:]):
        return Record(row.number, problem=f"has {len(row.cells)} columns, the header has {width}")
    cells = [cell.strip() for cell in row.cells]
    values = {
        name: [cells[at] for at in places if at < len(cells) and cells[at]] for name, places in bound.items()
    }
    return Record(row.number, values)
