"""Writing to stdout and stderr. Rich is imported when something is written, not before."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from breakwall.texts import visible

if TYPE_CHECKING:
    from rich.console import Console

_MARKUP = re.compile(r"(\\*)(\[|\Z)")

USUAL_LINES = 24
"""Lines of a screen, where there is none to ask."""

_UNWRAPPED = 1000
"""Columns of an output that is not a terminal: a pipe's lines are nobody's to wrap."""


def data() -> Console:
    """Where a command's data goes: stdout. Colours only on a terminal, and not under ``NO_COLOR``."""
    return _console(stderr=False)


def notes() -> Console:
    """Where everything else goes: stderr."""
    return _console(stderr=True)


def screen() -> tuple[int | None, int]:
    """Columns and lines of the terminal that reads stdout. A pipe wraps nothing (None), and is read as one screen."""
    size = data().size
    return (size.width, size.height) if sys.stdout.isatty() else (None, USUAL_LINES)


def write_json(document: Any, *, indent: int | None = 2) -> None:
    """Write one JSON document to stdout, in ASCII so that it survives every encoding."""
    sys.stdout.write(json.dumps(document, indent=indent, default=str) + "\n")
    sys.stdout.flush()


def write_json_note(document: Any) -> None:
    """Write one JSON document, on one line, to stderr."""
    sys.stderr.write(json.dumps(document, default=str) + "\n")
    sys.stderr.flush()


def write_note(text: str) -> None:
    """Write lines of text to stderr. What comes from elsewhere in them moves no cursor and turns nothing round."""
    sys.stderr.write("".join(f"{visible(line)}\n" for line in text.split("\n")))


def write_fields(fields: Mapping[str, str], *, console: Console | None = None) -> None:
    """Write names and values (Rich markup) in two columns."""
    width = max(map(len, fields), default=0)
    target = console or data()
    for name, value in fields.items():
        target.print(f"{name:<{width}}  {value}", highlight=False)


def write_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Write a table of Rich markup to stdout; the columns named in ``right`` are aligned to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    data().print(table, highlight=False)


def plain(text: object) -> str:
    """Text from elsewhere, safe within Rich markup: nothing in it is a style or moves the cursor."""
    return _MARKUP.sub(_as_it_is, visible(str(text)))


def _as_it_is(found: re.Match[str]) -> str:
    # Rich's own `escape` drops a backslash before a bracket that begins no tag, and doubles one at the end.
    # Before a tag, here one that does nothing, two always mean one.
    backslashes = f"{found[1]}{found[1]}[b][/b]" if found[1] else ""
    return backslashes + ("\\[" if found[2] else "")


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNWRAPPED
    return Console(stderr=stderr, width=width, soft_wrap=True, emoji=False)
