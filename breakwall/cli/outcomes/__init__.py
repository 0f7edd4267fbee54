"""`breakwall outcomes`: what the shop is told, a file named after each command. Import `outcomes_app`."""

import typer

from breakwall.cli.outcomes.destinations import enable, forget
from breakwall.cli.outcomes.list_ import list_outcomes
from breakwall.cli.outcomes.redeliver import redeliver

__all__ = ["outcomes_app"]

outcomes_app = typer.Typer(
    no_args_is_help=True, help="What the shop is told of its orders: list, redeliver, enable, forget."
)
outcomes_app.command("list", short_help="List deliveries to the shop, and why one failed.")(list_outcomes)
outcomes_app.command("redeliver", short_help="Deliver now, or once more.")(redeliver)
outcomes_app.command("enable", short_help="Send again to a webhook that said it was gone.")(enable)
outcomes_app.command("forget", short_help="Stop waiting for a destination that was removed.")(forget)
