"""`breakwall queue`: a file named after each command, and what several of them share. Import `queue_app`."""

import typer

from breakwall.cli.queue.pause import pause
from breakwall.cli.queue.rate import rate
from breakwall.cli.queue.resume import resume
from breakwall.cli.queue.strange import strange

__all__ = ["queue_app"]

queue_app = typer.Typer(
    no_args_is_help=True,
    help="The queue that the workers consume: pause it, resume it, limit its rate; strange messages.",
)
queue_app.command("pause", short_help="Send no waiting order, in the whole fleet.")(pause)
queue_app.command("resume", short_help="End the pause.")(resume)
queue_app.command("rate", short_help="Limit how many waiting orders a second are sent.")(rate)
queue_app.command("strange", short_help="Show the strange messages, which Breakwall did not write.")(strange)
