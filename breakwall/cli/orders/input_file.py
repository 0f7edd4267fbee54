"""A command's input: a file, or stdin under the name of a dash, and how it is to be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from breakwall.files.amounts import Units

STDIN = "-"

ColumnsOption = Annotated[
    str,
    typer.Option(
        metavar="FIELD=NAME,…",
        help="What the file calls our fields; with bars between them, if it is one of several.",
        show_default=False,
    ),
]
AmountsOption = Annotated[
    Units, typer.Option("--amounts", help="What amounts count: $10.00 is 1000 minor units, 10.00 major ones.")
]
EncodingOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Such as cp1252, cp949 or utf-16-le; otherwise a byte order mark decides, or it is UTF-8.",
        show_default=False,
    ),
]


@contextmanager
def opened(file: str, expecting: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The bytes to read, and how many there are, if that is known; ``expecting`` is told on a terminal.

    Raises:
        typer.BadParameter: the file cannot be read.
    """
    if file == STDIN:
        if sys.stdin.isatty():
            typer.echo(f"Reading {expecting} from the terminal; Ctrl-D ends.", err=True)
        yield sys.stdin.buffer, None
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; here only the opening may fail
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    with stream:
        yield stream, Path(file).stat().st_size or None


def columns_named(text: str, fields: Sequence[str]) -> dict[str, list[str]]:
    """What ``--columns`` says.

    Raises:
        typer.BadParameter: saying what would be right.
    """
    from breakwall.files.columns import ColumnsError, parse_columns

    try:
        return parse_columns(text, fields)
    except ColumnsError as error:
        raise typer.BadParameter(str(error), param_hint="--columns") from None


def encoding_named(name: str) -> str | None:
    """What ``--encoding`` says; None for nothing.

    Raises:
        typer.BadParameter: there is no such encoding.
    """
    from breakwall.files.source import check_encoding

    try:
        return check_encoding(name) if name else None
    except LookupError:
        raise typer.BadParameter(
            f"{name!r} is no encoding of text; utf-8, cp1252, cp949 and utf-16-le are some",
            param_hint="--encoding",
        ) from None
