"""`breakwall token`: a file named after each command. Import `token_app`."""

import typer

from breakwall.cli.token.create import create
from breakwall.cli.token.list_ import list_all
from breakwall.cli.token.revoke import revoke

__all__ = ["token_app"]

token_app = typer.Typer(no_args_is_help=True, help="The tokens of the HTTP API: create, list, revoke.")
token_app.command("create", short_help="Make a token, and print it once.")(create)
token_app.command("list", short_help="List the tokens, and when each was last used.")(list_all)
token_app.command("revoke", short_help="End a token, and the browsers that signed in with it.")(revoke)
