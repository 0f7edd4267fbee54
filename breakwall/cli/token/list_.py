"""`breakwall token list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import token_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_json, write_note, write_table
from breakwall.terminal.words import count, moment

if TYPE_CHECKING:
    from breakwall.access.stored_tokens import StoredToken

HEADS = ("name", "state", "scopes", "made", "by", "expires", "last used")


def list_all(
    every: Annotated[bool, typer.Option("--all", help="Also list those that were revoked.")] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the tokens of the HTTP API, oldest first, and when each was last used (to the minute).

    Those of BREAKWALL_API_TOKENS are not in the list: a note counts those of this environment.
    """
    from breakwall.access.stored_tokens import list_tokens

    with orders_database() as (database, settings):
        found = database.read(lambda connection: list_tokens(connection, revoked_too=every))
        configured = len(settings.configured_tokens)
    if output is Format.JSON:
        write_json([token_document(token) for token in found])
    elif found:
        write_table(HEADS, [_row(token) for token in found])
    else:
        write_note("There is no token. `breakwall token create` makes one.")
    if configured:
        write_note(f"BREAKWALL_API_TOKENS has {count(configured, 'token')} more.")


def _row(token: StoredToken) -> tuple[str, ...]:
    state = "valid" if token.is_valid else "expired" if token.revoked_at is None else "revoked"
    return (
        plain(token.name),
        state,
        ", ".join(token.scopes),
        moment(token.created_at),
        plain(token.created_by),
        moment(token.expires_at) if token.expires_at else "never",
        moment(token.used_at) if token.used_at else "never",
    )
