"""CSV: rows of cells, whatever separates them, below whatever a report begins with."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from breakwall.files.lines import MAX_RECORD, Line, Lines

SEPARATORS = (",", ";", "\t", "|")
_EXCELS = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

SEARCHED = 30
"""Lines among which the header is looked for: some reports begin with a title."""

_MAX_LINES = 100
"""Lines that one quoted cell may spread over. Beyond that its closing quote is missing."""


@dataclass(frozen=True, slots=True)
class Header:
    """The line that names the columns; ``names`` are as they are written."""

    number: int
    names: Sequence[str]
    separator: str


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a record, counted by its first line; or what is wrong with it."""

    number: int
    cells: Sequence[str]
    problem: str | None = None


class _OpenQuoteError(Exception):
    """A quoted cell goes on for too long."""


def find_header(lines: Lines, fits: Callable[[Sequence[str]], bool]) -> tuple[Header, bool]:
    """The first line that fits, split at the separator with which it does, and True; `lines` go on below it.

    Where none fits: the line with the most columns, and False.
    """
    best = Header(1, (), ",")
    separators: Sequence[str] = SEPARATORS
    seen = list(islice(lines, SEARCHED))
    for index, line in enumerate(seen):
        if found := _EXCELS.fullmatch(line.text):
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


def read_rows(lines: Lines, separator: str) -> Iterator[Row]:
    """The rows below the header. A row that cannot be read takes no other along; empty ones are passed over."""
    while (line := next(lines, None)) is not None:
        if line.problem:
            yield Row(line.number, (), line.problem)
        elif line.text.strip():
            yield _row(line, lines, separator)


def _row(first: Line, lines: Lines, separator: str) -> Row:
    taken = [first]
    try:
        cells = next(csv.reader(_feed(taken, lines), delimiter=separator, strict=True))
    except (csv.Error, _OpenQuoteError) as error:
        # The lines below may be rows of their own.
        lines.put_back(taken[1:])
        return Row(first.number, (), f"cannot be split into columns: {error}")
    return Row(first.number, cells)


def _feed(taken: list[Line], lines: Lines) -> Iterator[str]:
    yield taken[0].text
    size = len(taken[0].text)
    for line in lines:
        taken.append(line)
        size += len(line.text)
        if line.problem or size > MAX_RECORD or len(taken) > _MAX_LINES:
            raise _OpenQuoteError("a quote is not closed")
        yield line.text
