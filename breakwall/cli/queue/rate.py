"""`breakwall queue rate`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.queue.drain_state import drain_control, write_state
from breakwall.terminal.authors import ActorOption, author
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.settings import Settings

HIGHEST = 1_000_000  # As of BREAKWALL_RETRY__MAX_RATE.


def rate(
    per_second: Annotated[
        str,
        typer.Argument(metavar="N|none", help="Orders a second of all workers together; none: no limit."),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")],
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Limit how many waiting orders a second all workers together send, also after a restart; `none` lifts the limit.

    Every worker obeys within about two seconds. The lower of this and BREAKWALL_RETRY__MAX_RATE holds. Customers' new
    orders are not limited. To send nothing at all, use `breakwall queue pause`.
    """
    who = author(actor, reason)
    wanted = _rate(per_second)
    with drain_control() as (_, control, settings):
        state = control.set_rate(who, wanted)
    sentence = (
        "The queue has no limit of its own."
        if wanted is None
        else f"All workers together send at most {wanted:,.12g} waiting orders a second."
    )
    write_state(output, state, sentence, *_lower_setting(settings, wanted))


def _rate(text: str) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= HIGHEST:
        raise typer.BadParameter(
            f"should be a number of orders a second, more than 0 and at most {HIGHEST:,}, or none",
            param_hint="N|none",
        )
    return number


def _lower_setting(settings: Settings, wanted: float | None) -> list[str]:
    setting = settings.retry.max_rate
    if setting is None or (wanted is not None and wanted <= setting):
        return []
    return [f"BREAKWALL_RETRY__MAX_RATE is lower: {setting:,.12g} orders a second."]
