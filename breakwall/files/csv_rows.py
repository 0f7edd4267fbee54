"""CSV: finds the header and the separator, and reads the rows below."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from breakwall.files.lines import MAX_RECORD, Lines, TextLine

SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own line that names the separator.
MAX_TITLE_LINES = 30  # The header is one of the first lines: some reports begin with a title.
_MAX_LINES = 100  # Lines of one quoted cell. In a longer one, the closing quote is missing.


@dataclass(frozen=True, slots=True)
class Header:
    """The line that names the columns."""

    number: int
    names: Sequence[str]
    separator: str


@dataclass(frozen=True, slots=True)
class CsvRow:
    """The cells of a record, counted by its first line, or its problem."""

    number: int
    cells: Sequence[str]
    problem: str | None = None


def find_header(lines: Lines, fits: Callable[[Sequence[str]], bool]) -> tuple[Header, bool]:
    """The first line that fits with some separator, and True; ``lines`` continue below it.

    If no line fits: the line with the most columns, and False.
    """
    best = Header(1, (), ",")
    separators: Sequence[str] = SEPARATORS
    seen = list(islice(lines, MAX_TITLE_LINES))
    for index, line in enumerate(seen):
        if found := _SEPARATOR_LINE.fullmatch(line.text):
            separators = found[1]
            continue
        for separator in separators:
            header = Header(line.number, _split(line.text, separator), separator)
            if fits(header.names):
                lines.put_back(seen[index + 1 :])
                return header, True
            best = max(best, header, key=lambda candidate: len(candidate.names))
    return best, False


def _split(text: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([text], delimiter=separator), [])]
    except csv.Error:
        return []


def read_rows(lines: Lines, separator: str) -> Iterator[CsvRow]:
    """The rows below the header. A bad row does not spoil others; an empty one is skipped."""
    while (line := next(lines, None)) is not None:
        if line.problem:
            yield CsvRow(line.number, (), line.problem)
        elif line.text.strip():
            yield _row(line, lines, separator)


def _row(first: TextLine, lines: Lines, separator: str) -> CsvRow:
    taken = [first]
    try:
        cells = next(csv.reader(_feed(taken, lines), delimiter=separator, strict=True))
    except csv.Error as error:
        # The lines below may be rows themselves.
        lines.put_back(taken[1:])
        return CsvRow(first.number, (), f"cannot be split into columns: {error}")
    return CsvRow(first.number, cells)


def _feed(taken: list[TextLine], lines: Lines) -> Iterator[str]:
    yield taken[0].text
    size = len(taken[0].text)
    for line in lines:
        taken.append(line)
        size += len(line.text)
        if line.problem or size > MAX_RECORD or len(taken) > _MAX_LINES:
            raise csv.Error("a quote is not closed")
        yield line.text
