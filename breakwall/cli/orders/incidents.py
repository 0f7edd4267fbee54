"""`breakwall orders incidents`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.actors import by_actor
from breakwall.cli.orders.naming import IdOption, KeyOption, naming
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import incident_document
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import Author
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption, refuse_where, require
from breakwall.terminal.output import plain, write_list, write_result
from breakwall.terminal.words import moment

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
    from breakwall.payments.ledger.queries import Naming

SHOWN = 50  # Incidents that are listed by default.
_MOST = 2**31 - 1  # The largest number of an incident that the database can store.


def incidents(
    every: Annotated[bool, typer.Option("--all", help="Also list the closed ones.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="How many at most.", show_default=str(SHOWN)),
    ] = None,
    open_for: Annotated[
        str | None, typer.Option("--open", metavar="ID|KEY", help="Open one for this order: needs --reason.")
    ] = None,
    close: Annotated[
        int | None, typer.Option(min=1, max=_MOST, metavar="NUMBER", help="Close this one: needs --reason.")
    ] = None,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the open incidents, newest first: charges that a person has to check.

    The kinds are: two_charges (for one order), charged_after_cancel, charged_after_resolution (a person had stated
    that there was no charge), wrong_charge (it is not the order's charge), reported (by a person) and undelivered (the
    shop could not be told how the order ended: `breakwall outcomes list`).
    `breakwall orders show` shows the order's history.

    --open records what you found, such as a charge that `breakwall orders reconcile` names. It stays on the list
    until a person closes it.

    --close records what you did: you refunded the charge, or found nothing to refund. The incident leaves the list
    and all counts. It stays closed if the same charges are found again.

    Exits with 3 if there is no such incident or order. Exits with 4 and changes nothing if it is already closed.
    """
    by = naming(by_id=by_id, by_key=by_key)
    lists = open_for is None and close is None
    missing = "what was found?" if close is None else "what was done about it?"
    only_lists, only_changes = (
        "cannot be combined with --open or --close",
        "needs --open ORDER or --close NUMBER",
    )
    refuse_where(
        (open_for is None and (by_id or by_key), f"--{by}", "needs --open ORDER"),
        (lists and reason is not None, "--reason", only_changes),
        (lists and actor is not None, "--actor", only_changes),
        (open_for is not None and close is not None, "--open", "cannot be combined with --close"),
        (not lists and every, "--all", only_lists),
        (not lists and limit is not None, "--limit", only_lists),
    )
    require((lists or reason is not None, "--reason", f"{missing} The reason is recorded"))
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
    return (
        f"{moment(incident.closed_at)}{by_actor(plain(incident.closed_by))}: {plain(incident.close_reason)}"
    )


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

    def cells(incident: StoredIncident) -> Sequence[str]:
        at, detail, closed = moment(incident.at), plain(incident.detail), closing(incident)
        return (str(incident.id), incident.order_id, kind(incident), at, detail, closed)[: len(heads)]

    wrapped = ("detail", "closed")
    write_list(output, found, limit, incident_document, heads, cells, right=("incident",), wrapped=wrapped)
