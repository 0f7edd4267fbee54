"""`breakwall queue pause`."""

from __future__ import annotations

from typing import Annotated

import typer

from breakwall.cli.queue.drain_state import drain_control, write_state
from breakwall.terminal.authors import ActorOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.times import parse_duration


def pause(
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded, and every worker logs it.")
    ],
    lasting: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="DURATION",
            help="For how long: 30s, 10m, 2h, 1d. Without it: until `breakwall queue resume`.",
        ),
    ] = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Pause the queue: from now on no worker of the fleet sends a waiting order, also after a restart.

    Every worker obeys within about a second. A call that is in progress ends as usual. No order is lost: all of them
    wait in the database. A customer's new order is still tried at once; `breakwall breaker force-open` stops those
    calls too.

    To work on a single order nevertheless, name it in `breakwall orders retry`: this releases it.

    A queue that is already paused stays paused: it gets the new reason, author and end.
    """
    who = author(actor, reason)
    seconds = None if lasting is None else parse_duration(lasting, "--for")
    if seconds == 0:
        raise typer.BadParameter("should be longer than 0 s", param_hint="--for")
    with drain_control() as (_, control, _):
        before = control.read().paused
        state = control.pause(who, seconds)
    verb = "was paused already" if before else "is paused"
    write_state(
        output,
        state,
        f"The queue {verb}: no worker sends a waiting order. New orders are still tried at once.",
    )
