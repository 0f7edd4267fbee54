"""Writing to stdout and stderr. Rich is imported when something is written, not before."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from breakwall.terminal.options import Format
from breakwall.texts import visible

if TYPE_CHECKING:
    from rich.console import Console

Row = TypeVar("Row")

USUAL_LINES = 24  # Lines of a screen if stdout is not a terminal.
_TEXT = 20  # Columns that a wrapped text has at least, beside its longest word.
_UNWRAPPED = 1000  # Columns if the output is not a terminal: lines in a pipe are not wrapped.

_MARKUP = re.compile(r"(\\*)(\[|\Z)")


def data() -> Console:
    """The console of a command's data: stdout. It uses colours on a terminal only, and not with ``NO_COLOR``."""
    return _console(stderr=False)


def notes() -> Console:
    """The console of everything else: stderr."""
    return _console(stderr=True)


def screen() -> tuple[int | None, int]:
    """Columns and lines of stdout's terminal. Without a terminal: None (no wrapping) and `USUAL_LINES`."""
    size = data().size
    return (size.width, size.height) if sys.stdout.isatty() else (None, USUAL_LINES)


def write_json(document: Any, *, indent: int | None = 2) -> None:
    """Write one JSON document to stdout, in ASCII: it is the same in every encoding."""
    sys.stdout.write(json.dumps(document, indent=indent, default=str) + "\n")
    sys.stdout.flush()


def write_json_note(document: Any) -> None:
    """Write one JSON document, on one line, to stderr."""
    sys.stderr.write(json.dumps(document, default=str) + "\n")
    sys.stderr.flush()


def write_note(text: str) -> None:
    """Write lines of text to stderr, with visible control characters."""
    sys.stderr.write("".join(f"{visible(line)}\n" for line in text.split("\n")))


def say(*lines: str, console: Console | None = None) -> None:
    """Write lines of Rich markup, to stdout by default."""
    target = console or data()
    for line in lines:
        target.print(line, highlight=False)


def write_result(output: Format, document: Any, *lines: str) -> None:
    """Write a command's result to stdout: the document as JSON, or the lines (Rich markup) as text."""
    if output is Format.JSON:
        write_json(document)
    else:
        say(*lines)


def field_lines(fields: Mapping[str, str]) -> list[str]:
    """Names and values (Rich markup) as lines with two columns."""
    width = max(map(len, fields), default=0)
    return [f"{name:<{width}}  {value}" for name, value in fields.items()]


def write_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    wrapped: Sequence[str] = (),
) -> None:
    """Write a table of Rich markup to stdout; the columns in ``right`` are right-aligned.

    On a terminal, long texts in the columns ``wrapped`` take several lines. If the other columns leave no room for
    them, each row is a list of its fields.
    """
    from rich.measure import Measurement
    from rich.table import Table

    console, (columns, _) = data(), screen()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        fixed = bool(wrapped) and head not in wrapped
        justify: Literal["left", "right"] = "right" if head in right else "left"
        table.add_column(head, justify=justify, overflow="fold", no_wrap=fixed)
    for row in rows:
        table.add_row(*row)
    if wrapped and columns is not None:
        least = Measurement.get(console, console.options.update_width(_UNWRAPPED), table).minimum + _TEXT
        if least > columns:
            _write_fields_of_each(heads, rows)
            return
        console.soft_wrap, console.width = False, columns
    console.print(table, highlight=False)


def _write_fields_of_each(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows):
        gap = [""] if number else []
        say(*gap, *field_lines(dict(zip(heads, row, strict=True))))


def write_list(
    output: Format,
    rows: Sequence[Row],
    limit: int,
    document: Callable[[Row], Any],
    heads: Sequence[str],
    cells: Callable[[Row], Sequence[str]],
    *,
    right: Sequence[str] = (),
    wrapped: Sequence[str] = (),
) -> None:
    """Write the first ``limit`` rows as a JSON array or as a table; a note on stderr if there are more."""
    if output is Format.JSON:
        write_json([document(row) for row in rows[:limit]])
    elif rows:
        write_table(heads, [cells(row) for row in rows[:limit]], right=right, wrapped=wrapped)
    if len(rows) > limit:
        write_note(f"There are more than these {limit}; --limit shows more.")


def plain(text: object) -> str:
    """Text from outside, made safe for Rich markup: no part of it is a style or moves the cursor."""
    return _MARKUP.sub(_as_it_is, visible(str(text)))


def _as_it_is(found: re.Match[str]) -> str:
    # Rich's own `escape` has two faults: it drops a backslash before a bracket that starts no tag, and it doubles a
    # backslash at the end. Before a tag, even an empty one, two backslashes always mean one.
    backslashes = f"{found[1]}{found[1]}[b][/b]" if found[1] else ""
    return backslashes + ("\\[" if found[2] else "")


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNWRAPPED
    return Console(stderr=stderr, width=width, soft_wrap=True, emoji=False)
