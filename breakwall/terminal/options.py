"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated

import typer


class Format(StrEnum):
    """How a command writes its data: for people, or for programs."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Format, typer.Option("--output", "-o", help="Write text for people or JSON for programs.")
]


def wants_json(arguments: list[str]) -> bool:
    """Whether a command line asks for JSON, also one that cannot be parsed: its error is JSON then, too."""
    return any(
        (name in {"-o", "--output"} and value == Format.JSON) or name in {"-ojson", "--output=json"}
        for name, value in pairwise([*arguments, ""])
    )
