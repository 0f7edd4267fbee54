"""A command's input: a file, or stdin under the name of a dash."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

STDIN = "-"


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
