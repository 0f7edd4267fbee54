"""A command's input file (a dash is stdin), and the options for reading it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from breakwall.files.amounts import Units

STDIN = "-"

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE|-", help="CSV, a JSON array or JSON Lines; - is standard input.")
]
ColumnsOption = Annotated[
    str,
    typer.Option(metavar="FIELD=NAME,…", help="The file's column for each field; A|B if it may be A or B."),
]
AmountsOption = Annotated[
    Units,
    typer.Option("--amounts", help="The unit of amounts: $10.00 is 1000 minor units or 10.00 major units."),
]
EncodingOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Such as cp1252, cp949 or utf-16-le. Without it: UTF-8, or what a byte order mark says.",
    ),
]


@contextmanager
def opened(file: str, expecting: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The bytes to read, and their number if it is known. ``expecting`` tells a person at a terminal what to type.

    Raises BadParameter if the file cannot be read.
    """
    if file == STDIN:
        if sys.stdin.isatty():
            typer.echo(f"Reading {expecting} from the terminal; Ctrl-D ends.", err=True)
        yield sys.stdin.buffer, None
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; only an error of the opening is caught
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    with stream:
        yield stream, Path(file).stat().st_size or None


def columns_named(text: str, fields: Sequence[str]) -> dict[str, list[str]]:
    """The value of ``--columns``. Raises BadParameter."""
    from breakwall.files.columns import ColumnsError, parse_columns

    try:
        return parse_columns(text, fields)
    except ColumnsError as error:
        raise typer.BadParameter(str(error), param_hint="--columns") from None


def encoding_named(name: str) -> str | None:
    """The value of ``--encoding``; None without one. Raises BadParameter if there is no such encoding."""
    from breakwall.files.source import check_encoding

    try:
        return check_encoding(name) if name else None
    except LookupError:
        expected = f"{name!r} is no text encoding; examples are utf-8, cp1252, cp949 and utf-16-le"
        raise typer.BadParameter(expected, param_hint="--encoding") from None
