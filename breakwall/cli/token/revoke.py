"""`breakwall token revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import token_document
from breakwall.terminal.authors import ActorOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_result


def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")],
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """End a token, and with it the browsers that signed in with it.

    Every process that serves the API refuses it within 5 seconds; one that does not reach the database, within a
    minute. A token of BREAKWALL_API_TOKENS ends when its entry is removed and the server is started again.

    Exits with 3 if no valid token has the name.
    """
    who = author(actor, reason)
    from breakwall.access.shared_read import REREAD
    from breakwall.access.stored_tokens import revoke_token
    from breakwall.payments.operator.action_log import OperatorAction, recorded

    with orders_database() as (database, _), recorded(database, who, OperatorAction.TOKEN_REVOKE, name[:255]):
        revoked = revoke_token(database, name, who)
    sentence = f"The token {plain(name)} is revoked: within {REREAD:.0f} s no server takes it any more."
    write_result(output, token_document(revoked), sentence)
