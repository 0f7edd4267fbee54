"""`breakwall token create`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.api_tokens import Scope, check_token_name
from breakwall.cli.orders_database import orders_database
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_json, write_note
from breakwall.terminal.times import parse_duration
from breakwall.terminal.words import duration

if TYPE_CHECKING:
    from breakwall.settings import Settings


def create(
    name: Annotated[str, typer.Argument(help="What the audit trail calls its holder, such as shop or anna.")],
    scopes: Annotated[
        list[Scope],
        typer.Option(
            "--scope",
            help="What it allows; repeat it for several. orders:write: place orders and look at them; ops:read: see "
            "all orders and the backlog; ops:write: retry, cancel, pause, override.",
        ),
    ],
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="For how long it is valid: 12h, 90d. Without it: until it is revoked."
        ),
    ] = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Make a token for the HTTP API, and print it. Only its digest is stored, so nobody can show it again.

    Stdout has the token alone: TOKEN=$(breakwall token create shop --scope orders:write)

    From the first token on, the API refuses requests without one. Exits with 4 if there is a valid token of this name.
    """
    who = author(actor, reason)
    seconds = _lasting(expires)
    _check_name(name)
    from breakwall.access.stored_tokens import create_token
    from breakwall.payments.operator.action_log import OperatorAction, recorded

    wanted = frozenset(scopes)
    shown = "+".join(sorted(wanted))
    with (
        orders_database() as (database, settings),
        recorded(database, who, OperatorAction.TOKEN_CREATE, name, shown),
    ):
        _refuse_configured(settings, name)
        token = create_token(database, name, wanted, who, lasting=seconds)
    if output is Format.JSON:
        write_json({"name": name, "token": token, "scopes": sorted(wanted), "expires_in_seconds": seconds})
        return
    typer.echo(token)
    until = "until it is revoked" if seconds is None else f"for {duration(seconds)}"
    write_note(f"This is the only time that the token {name} is shown. It is valid {until}, for {shown}.")


def _lasting(expires: str | None) -> float | None:
    seconds = None if expires is None else parse_duration(expires, "--expires")
    if seconds == 0:
        raise typer.BadParameter("should be longer than 0 s", param_hint="--expires")
    return seconds


def _check_name(name: str) -> None:
    try:
        check_token_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None


def _refuse_configured(settings: Settings, name: str) -> None:
    from breakwall.access.stored_tokens import TokenNameTakenError

    if name in {one.name for one in settings.configured_tokens}:
        raise TokenNameTakenError(f"BREAKWALL_API_TOKENS has a token called {name}: choose another name")
