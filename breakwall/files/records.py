"""The one reader of records: what a file's lines or objects say of our fields, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from breakwall.files.columns import Columns, fold, look_up, shown
from breakwall.files.csv_rows import Row, find_header, read_rows
from breakwall.files.errors import UnreadableFileError
from breakwall.files.json_objects import Object, read_array, read_lines_of_objects
from breakwall.files.lines import Lines
from breakwall.files.source import open_text

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Record:
    """What one line or one object says.

    Attributes:
        number: the line that it begins on, counted from 1.
        values: for each of our fields what its columns hold, without those that are empty. Texts from CSV.
        document: the whole object, from JSON.
        problem: why it cannot be read; then there are no values.
    """

    number: int
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    document: dict[str, Any] | None = None
    problem: str | None = None


class Records(Iterable[Record]):
    """Reads CSV, a JSON array or JSON Lines, whichever it is, holding one record at a time.

    Args:
        stream: the file, from its beginning.
        columns: the columns to be found.
        encoding: what to read it as; None: as a byte order mark says, else UTF-8.
        lenient: CSV that is not UTF-8 is taken for Windows-1252.
        may_be_empty: an empty file is one without records; else it is refused.

    Attributes:
        legacy: whether that has happened.
        position: bytes of the file that were read.

    Raises:
        UnreadableFileError: on construction and while it is iterated over; the file as a whole is not what it
            should be.
    """

    def __init__(
        self,
        stream: BinaryIO,
        columns: Columns,
        *,
        encoding: str | None = None,
        lenient: bool = False,
        may_be_empty: bool = False,
    ) -> None:
        self._text = open_text(stream, encoding)
        self._columns = columns
        self._may_be_empty = may_be_empty
        self._lines = Lines(self._text, lenient=lenient and not self.json)

    @property
    def json(self) -> bool:
        """Whether it is JSON."""
        return self._text.first in {"{", "["}

    @property
    def legacy(self) -> bool:
        return self._lines.legacy

    @property
    def position(self) -> int:
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

    def _objects(self, objects: Iterator[Object]) -> Iterator[Record]:
        looked_for = dict(self._columns.needed)
        first: Object | None = None
        for found in objects:
            if first is None:
                first = found
                self._refuse_envelope(found)
            for name in [name for name, columns in looked_for.items() if _has(found.fields, columns)]:
                del looked_for[name]
            yield self._from_json(found)
        if first and looked_for:
            self._columns.check(first.number, {name: fold(name) for name in first.fields})

    def _from_json(self, found: Object) -> Record:
        if found.problem:
            return Record(found.number, problem=found.problem)
        return Record(found.number, self._columns.values(found.fields), found.fields)

    def _refuse_envelope(self, found: Object) -> None:
        """Services answer with a list inside of an object."""
        if self._columns.fits([fold(name) for name in found.fields]):
            return
        for name, value in found.fields.items():
            if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                problem = (
                    f"is a list of {len(value)} objects within an object, and the file should be the list alone, "
                    f"or one object a line: jq -c '.{shown(name)}[]' makes that of it"
                )
                raise UnreadableFileError(found.number, shown(name), problem)


def _has(document: Mapping[str, Any], columns: Sequence[str]) -> bool:
    return any(look_up(document, name, _NOTHING) is not _NOTHING for name in columns)


def _record(row: Row, bound: Mapping[str, Sequence[int]], width: int) -> Record:
    if row.problem:
        return Record(row.number, problem=row.problem)
    if any(cell.strip() for cell in row.cells[width:]):
        return Record(row.number, problem=f"has {len(row.cells)} columns, the header has {width}")
    cells = [cell.strip() for cell in row.cells]
    values = {
        name: [cells[at] for at in places if at < len(cells) and cells[at]] for name, places in bound.items()
    }
    return Record(row.number, values)
