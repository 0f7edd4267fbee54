"""`breakwall outcomes enable` and `breakwall outcomes forget`."""

from __future__ import annotations

import typer

from breakwall.cli.bulk import check_attended
from breakwall.cli.orders_database import orders_database
from breakwall.cli.outcomes.destination_names import DestinationArgument
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption, YesOption
from breakwall.terminal.output import write_result
from breakwall.terminal.words import count


def enable(
    destination: DestinationArgument,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Send to a webhook again that has answered 410 Gone. What waited for it is delivered.

    Another BREAKWALL_OUTCOMES__WEBHOOK_URL is used without this command.
    """
    from breakwall.payments.operator.action_log import OperatorAction, recorded
    from breakwall.payments.outcomes import operator

    name, who = destination.value, author(actor, reason)
    with orders_database() as (database, _), recorded(database, who, OperatorAction.OUTCOMES_ENABLE, name):
        was_gone = operator.enable(database, name)
    sentence = "is enabled" if was_gone else "was enabled already; nothing was changed"
    write_result(output, {"destination": name, "was_gone": was_gone}, f"The {name} {sentence}.")


def forget(
    destination: DestinationArgument,
    yes: YesOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Stop waiting for a destination whose setting was removed. What waits for it ends as failed.

    Remove the setting from every worker first: a worker that has it makes the destination anew, and delivers what
    ends from then on. It exits with 4 and changes nothing while the setting is in this environment, or a live worker
    has it. A worker that died counts as live for 45 seconds.

    It asks for confirmation, and exits with 4 if there is neither --yes nor a terminal to ask on.
    """
    from breakwall.payments.db.clock import DATABASE_CLOCK
    from breakwall.payments.fleet.workers import live_workers
    from breakwall.payments.operator.action_log import OperatorAction, recorded
    from breakwall.payments.outcomes import operator
    from breakwall.settings import PREFIX, WAYS

    name, who = destination.value, author(actor, reason)
    with orders_database() as (database, settings):
        if name in settings.outcomes.ways:
            setting = f"{PREFIX}OUTCOMES__{WAYS[name].upper()}"
            raise operator.DestinationInUseError(
                f"the {name} is in use: {setting} is set here. Remove it here and from every worker first"
            )
        operator.check_unused(database.read(lambda found: live_workers(found, DATABASE_CLOCK)), name)
        _confirm(name, yes)
        with recorded(database, who, OperatorAction.OUTCOMES_FORGET, name):
            given_up = operator.forget(database, name)
    known = given_up is not None
    sentence = f"{count(given_up or 0, 'delivery', 'deliveries')} given up" if known else "it was not known"
    document = {"destination": name, "known": known, "given_up": given_up or 0}
    write_result(output, document, f"The {name} is forgotten: {sentence}.")


def _confirm(destination: str, yes: bool) -> None:
    effect = f"no waiting outcome will be delivered to the {destination}"
    if not yes:
        check_attended(effect, "to confirm, add --yes")
        typer.confirm(f"After this {effect}. Continue?", abort=True, err=True)
