"""`breakwall token create`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.api_tokens import Scope, check_token_name
from breakwall.cli.orders_database import orders_database
from breakwall.cli.token import token_file
from breakwall.payments.interventions import MAX_REASON, Author
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_json, write_note
from breakwall.terminal.times import parse_duration
from breakwall.terminal.words import duration

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
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
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the token into this file, which only you may read. If the file holds this token, nothing is "
            "done; if it is lost, its token is revoked and another one is made.",
        ),
    ] = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Make a token for the HTTP API, and print it. Only its digest is stored, so nobody can show it again.

    Stdout has the token alone: TOKEN=$(breakwall token create shop --scope orders:write)

    With --into, for a program that starts by itself, the token is in the file alone.

    From the first token on, the API refuses requests without one. Exits with 4 if there is a valid token of this name.
    """
    who = author(actor, reason)
    seconds = _lasting(expires)
    _check_name(name)
    wanted = frozenset(scopes)
    shown = "+".join(sorted(wanted))
    with orders_database() as (database, settings):
        _refuse_configured(settings, name)
        if into is not None:
            _make_into(into, database, name, wanted, who, seconds)
            return
        token = _make(database, name, wanted, who, seconds)
    if output is Format.JSON:
        write_json({"name": name, "token": token, "scopes": sorted(wanted), "expires_in_seconds": seconds})
        return
    typer.echo(token)
    until = "until it is revoked" if seconds is None else f"for {duration(seconds)}"
    write_note(f"This is the only time that the token {name} is shown. It is valid {until}, for {shown}.")


def _make(database: Database, name: str, scopes: frozenset[Scope], who: Author, seconds: float | None) -> str:
    from breakwall.access.stored_tokens import create_token
    from breakwall.payments.operator.action_log import OperatorAction, recorded

    with recorded(database, who, OperatorAction.TOKEN_CREATE, name, "+".join(sorted(scopes))):
        return create_token(database, name, scopes, who, lasting=seconds)


def _make_into(
    file: Path, database: Database, name: str, scopes: frozenset[Scope], who: Author, seconds: float | None
) -> None:
    """Make the token in its file, unless it is there. Nobody has the token of a file that is lost."""
    from breakwall.access.stored_tokens import TokenNotFoundError, revoke_token
    from breakwall.payments.operator.action_log import OperatorAction, recorded

    if token_file.is_in_use(database, name, file):
        write_note(f"The token {name} is in {file}; nothing was changed.")
        return
    token_file.check_writable(file)
    lost = Author(who.actor, f"it is not in its file, {file}"[:MAX_REASON])
    with suppress(TokenNotFoundError), recorded(database, lost, OperatorAction.TOKEN_REVOKE, name):
        revoke_token(database, name, lost)
    token_file.write_token(file, _make(database, name, scopes, who, seconds))
    write_note(f"The token {name} is in {file}, for {'+'.join(sorted(scopes))}.")


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
