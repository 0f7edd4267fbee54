"""`breakwall orders incidents`."""

from __future__ import annotations

from contextlib import closing as closed_afterwards
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders.find import IdOption, KeyOption, naming
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from breakwall.payments.actions import Author, StoredIncident
    from breakwall.payments.db.database import Database
    from breakwall.payments.ledger.queries import Naming

SHOWN = 50
"""Incidents that are listed where nobody says how many."""

_MOST = 2**31 - 1  # what the number's column holds


def incidents(
    every: Annotated[bool, typer.Option("--all", help="Also those that were closed.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="How many at most.", show_default=str(SHOWN)),
    ] = None,
    open_for: Annotated[
        str | None,
        typer.Option("--open", metavar="ID|KEY", help="Open one for this order: needs a --reason."),
    ] = None,
    close: Annotated[
        int | None,
        typer.Option(min=1, max=_MOST, metavar="ID", help="Close this one: needs a --reason."),
    ] = None,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the incidents that are open, newest first: charges that a person has to look at.

    There are two_charges for one order, one charged_after_cancel, one charged_after_resolution, when a person had
    said that there is none, a wrong_charge, which is not the order's, and what a person has reported. `breakwall
    orders show` tells the order's story.

    --open writes down what you have found out, such as a charge that `breakwall orders reconcile` names, so that it
    is told of until somebody has dealt with it.

    --close notes that you have dealt with one (refunded the charge, or found nothing to refund). It is not
    counted and not told of any more, and stays closed when the same charges are found again. Exits with 3
    when there is no such incident or order, and with 4, and changes nothing, when it is closed already.
    """
    by = naming(by_id=by_id, by_key=by_key)
    if open_for is None and (by_id or by_key):
        raise typer.BadParameter("goes with --open ORDER", param_hint=f"--{by}")
    if open_for is None and close is None:
        _refuse_unused(reason, actor)
        _list(every, SHOWN if limit is None else limit, output)
        return
    _check_change(every, limit, open_for, close)
    if reason is None:
        asked = "what was found? It is noted" if close is None else "what was done about it? It is noted"
        raise typer.BadParameter(asked, param_hint="--reason")
    who = author(actor, reason)
    _change(lambda database: _changed(database, open_for, by, close, who), output)


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
            raise typer.BadParameter("goes with --open ORDER or --close ID", param_hint=option)


def _check_change(every: bool, limit: int | None, open_for: str | None, close: int | None) -> None:
    if open_for is not None and close is not None:
        raise typer.BadParameter("--open or --close: one of them", param_hint="--open")
    for option, given in (("--all", every), ("--limit", limit is not None)):
        if given:
            raise typer.BadParameter("lists, --open and --close change: one of them", param_hint=option)


def _changed(
    database: Database, open_for: str | None, by: Naming, close: int | None, who: Author
) -> StoredIncident:
    from breakwall.payments.operator.incidents import close_incident, open_incident

    if open_for is not None:
        return open_incident(database, open_for, who, by=by)
    return close_incident(database, close or 0, who)


def _change(change: Callable[[Database], StoredIncident], output: Format) -> None:
    from breakwall.cli.orders.documents import incident_document
    from breakwall.settings import load_settings
    from breakwall.terminal.output import data, write_json
    from breakwall.wiring import open_database

    with closed_afterwards(open_database(load_settings())) as database:
        incident = change(database)
    if output is Format.JSON:
        write_json(incident_document(incident))
        return
    done = "open" if incident.closed_at is None else "closed"
    data().print(f"Incident {incident.id} of order {incident.order_id} is {done}.", highlight=False)


def _list(every: bool, limit: int, output: Format) -> None:
    from breakwall.cli.orders.documents import incident_document
    from breakwall.payments.operator.incidents import newest_incidents
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json
    from breakwall.wiring import open_database

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
