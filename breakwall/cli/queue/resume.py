"""`breakwall queue resume`."""

from __future__ import annotations

from breakwall.cli.queue.drain_state import drain_control, write_state
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption


def resume(
    reason: ReasonOption = None, actor: ActorOption = None, output: OutputOption = Format.TEXT
) -> None:
    """End the pause, if there is one: workers send the waiting orders that are due, few at first.

    Orders that were released during the pause are due like all others.
    """
    who = author(actor, reason)
    with drain_control() as (_, control, _):
        before = control.read().paused
        state = control.resume(who)
    sentence = (
        "The queue is no longer paused: workers send the waiting orders."
        if before
        else "The queue was not paused."
    )
    write_state(output, state, sentence)
