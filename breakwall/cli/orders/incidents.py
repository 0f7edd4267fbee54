"""`breakwall orders incidents`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders.naming import IdOption, KeyOption, naming
from breakwall.cli.orders_database import orders_database
from breakwall.documents import incident_document
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import Author
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption, refuse_where
from breakwall.terminal.output import plain, write_list, write_result
from breakwall.terminal.words import moment

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
    from breakwall.payments.ledger.queries import Naming

SHOWN = 50  # Incidents that are listed by default.

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
    """List the open incidents, newest first: charges that a person has to look at.

    The kinds are two_charges for one order, charged_after_cancel, charged_after_resolution (a person had said that
    there was no charge), wrong_charge (it is not the order's) and what a person has reported. `breakwall orders show`
    shows the order's history.

    --open records what you have found, such as a charge that `breakwall orders reconcile` names. It stays on the list
    until a person closes it.

    --close notes that you have dealt with one: refunded the charge, or found nothing to refund. It is counted and
    listed no more, and stays closed when the same charges are found again. Exits with 3 when there is no such
    incident or order, and with 4, and changes nothing, when it is closed already.
    """
    by = naming(by_id=by_id, by_key=by_key)
    lists = open_for is None and close is None
    found = "what was found? It is noted" if close is None else "what was done about it? It is noted"
    only_lists, only_changes = (
        "lists, --open and --close change: one of them",
        "goes with --open ORDER or --close ID",
    )
    refuse_where(
        (open_for is None and (by_id or by_key), f"--{by}", "goes with --open ORDER"),
        (lists and reason is not None, "--reason", only_changes),
        (lists and actor is not None, "--actor", only_changes),
        (open_for is not None and close is not None, "--open", "--open or --close: one of them"),
        (not lists and every, "--all", only_lists),
        (not lists and limit is not None, "--limit", only_lists),
        (not lists and reason is None, "--reason", found),
    )
    if lists:
        _list(every, SHOWN if limit is None else limit, output)
        return
    who = author(actor, reason)
    with orders_database() as (database, _):
        incident = _changed(database, open_for, by, close, who)
    done = "open" if incident.closed_at is None else "closed"
    sentence = f"Incident {incident.id} of order {incident.order_id} is {done}."
    write_result(output, incident_document(incident), sentence)


def kind(incident: StoredIncident) -> str:
    """An incident's kind as Rich markup, in red while it is open."""
    return incident.kind if incident.closed_at else f"[bold red]{incident.kind}[/]"


def closing(incident: StoredIncident) -> str:
    """Who closed an incident, when and why, as Rich markup; a dash while it is open."""
    if incident.closed_at is None:
        return "-"
    return f"{moment(incident.closed_at)} by {plain(incident.closed_by)}: {plain(incident.close_reason)}"


def _changed(
    database: Database, open_for: str | None, by: Naming, close: int | None, who: Author
) -> StoredIncident:
    from breakwall.payments.operator.incidents import close_incident, open_incident

    if open_for is not None:
        return open_incident(database, open_for, who, by=by)
    return close_incident(database, close or 0, who)


def _list(every: bool, limit: int, output: Format) -> None:
    from breakwall.payments.operator.incidents import newest_incidents

    with orders_database() as (database, _):
        found = database.read(
            lambda connection: newest_incidents(connection, limit=limit + 1, closed_too=every)
        )
    if output is Format.TEXT and not found:
        typer.echo("There is no incident." if every else "No incident is open.", err=True)
        return
    heads = ("incident", "order", "kind", "since", "detail", *(["closed"] if every else []))
    write_list(
        output,
        found,
        limit,
        incident_document,
        heads,
        lambda incident: _row(incident)[: len(heads)],
        right=("incident",),
    )


def _row(incident: StoredIncident) -> tuple[str, ...]:
    return (
        str(incident.id),
        incident.order_id,
        kind(incident),
        moment(incident.at),
        plain(incident.detail),
        closing(incident),
    )
