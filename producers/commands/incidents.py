"""`breakwall orders incidents`."""

from __future__ import annotations

from contextlib import closing as closed_afterwards
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.actions import Author, StoredIncident

_MOST = 2**31 - 1  # what the number's column holds


def incidents(
    every: Annotated[bool, typer.Option("--all", help="Also those that were closed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = 50,
    close: Annotated[
        int | None,
        typer.Option(min=1, max=_MOST, metavar="ID", help="Close this one: needs a --reason."),
    ] = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the incidents that are open, newest first: charges that a person has to look at.

    There are two_charges for one order, one charged_after_cancel, and one charged_after_resolution, when a
    person had said that there is none. `breakwall orders show` tells the order's story.

    --close notes that you have dealt with one (refunded the charge, or found nothing to refund). It is not
    counted and not told of any more, and stays closed when the same charges are found again. Exits with 3
    when there is none with this number, and with 4, and changes nothing, when it is closed already.
    """
    if close is None:
        _refuse_unused(reason, actor)
        _list(every, limit, output)
        return
    if every:
        raise typer.BadParameter("lists, --close closes: one of them", param_hint="--all")
    if reason is None:
        raise typer.BadParameter("what was done about it? It is noted", param_hint="--reason")
    _close(close, author(actor, reason), output)


def closing(incident: StoredIncident) -> str:
    """Who closed an incident, when and why, as Rich markup; a dash while it is open."""
    from breakwall.terminal.output import plain
    from breakwall.terminal.words import moment

    if incident.closed_at is None:
        return "-"
    return f"{moment(incident.closed_at)} by {plain(incident.closed_by)}: {plain(incident.close_reason)}"


def _refuse_unused(reason: str | None, actor: str | None) -> None:
    for option, value in (("--reason", reason), ("--actor", actor)):
        if value is not None:
            raise typer.BadParameter("goes with --close ID", param_hint=option)


def _close(number: int, who: Author, output: Format) -> None:
    from breakwall.payments.incidents import close_incident
    from breakwall.settings import load_settings
    from breakwall.terminal.output import data, write_json
    from breakwall.wiring import open_database
    from producers.documents import incident_document

    with closed_afterwards(open_database(load_settings())) as database:
        incident = close_incident(database, number, who)
    if output is Format.JSON:
        write_json(incident_document(incident))
        return
    data().print(f"Incident {number} of order {incident.order_id} is closed.", highlight=False)


def _list(every: bool, limit: int, output: Format) -> None:
    from breakwall.payments.incidents import newest_incidents
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json
    from breakwall.wiring import open_database
    from producers.documents import incident_document

    with closed_afterwards(open_database(load_settings())) as database:
        found = database.read(
            lambda connection: newest_incidents(connection, limit=limit + 1, closed_too=every)
        )
    if output is Format.JSON:
        write_json([incident_document(incident) for incident in found[:limit]])
    else:
        _write_list(found[:limit], every)
    if len(found) > limit:
        typer.echo(f"There are more than these {limit}; --limit shows more of them.", err=True)


def _write_list(found: list[StoredIncident], every: bool) -> None:
    from breakwall.terminal.output import plain, write_table
    from breakwall.terminal.words import moment

    if not found:
        typer.echo("There is no incident." if every else "No incident is open.", err=True)
        return
    heads = ["incident", "order", "kind", "since", "detail", *(["closed"] if every else [])]
    rows = [
        [
            str(incident.id),
            incident.order_id,
            incident.kind if incident.closed_at else f"[bold red]{incident.kind}[/]",
            moment(incident.at),
            plain(incident.detail),
            *([closing(incident)] if every else []),
        ]
        for incident in found
    ]
    write_table(heads, rows, right=("incident",))
