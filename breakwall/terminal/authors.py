"""`--actor` and `--reason`: the options of every command that records a person's action."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from breakwall.payments.interventions import Author

ActorOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who acts; it is recorded. Without it: $USER.")
]
ReasonOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is recorded.")]


def author(actor: str | None, reason: str | None) -> Author:
    """The author as it is recorded. Raises BadParameter for the option whose text cannot be recorded."""
    from breakwall.payments.interventions import Author, InvalidAuthorError

    try:
        return Author(_user() if actor is None else actor, reason)
    except InvalidAuthorError as error:
        raise typer.BadParameter(error.problem, param_hint=f"--{error.field}") from None


def _user() -> str:
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (OSError, KeyError):  # in a container the user may have no name
        return f"uid {os.getuid()}"
