"""Options that several commands share."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated

import typer


class Format(StrEnum):
    """How a command writes its data: as text for people, or as JSON for programs."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Format, typer.Option("--output", "-o", help="Write text for people or JSON for programs.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Change nothing; only count the orders.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


class MissingOptionError(typer.BadParameter):
    """A needed option or argument was not given; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def format_message(self) -> str:
        return self.message


def require(*cases: tuple[object, str, str]) -> None:
    """Raise `MissingOptionError` for the first case that does not hold: (condition, option, why it is needed)."""
    for holds, option, why in cases:
        if not holds:
            raise MissingOptionError(f"Missing {option}: {why}")


def refuse_where(*cases: tuple[object, str, str]) -> None:
    """Raise `typer.BadParameter` for the first case that holds: (condition, option, what would be right)."""
    for holds, option, expected in cases:
        if holds:
            raise typer.BadParameter(expected, param_hint=option)


def wants_json(arguments: list[str]) -> bool:
    """Whether a command line asks for JSON. It may be invalid: then its usage error is JSON."""
    return any(
        (name in {"-o", "--output"} and value == Format.JSON) or name in {"-ojson", "--output=json"}
        for name, value in pairwise([*arguments, ""])
    )
