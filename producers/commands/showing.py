"""`breakwall orders show` and `orders list`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.payments.orders import OrderStatus
from breakwall.producers.commands.naming import IdOption, KeyOption, NameArgument, naming
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.actions import StoredIncident, StoredIntervention
    from breakwall.payments.orders import StoredAttempt, StoredOrder


def show(
    name: NameArgument,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show one order, everything that was tried, and what people did.

    Exits with 3 when there is none, and with 4 when the name is one order's id and another one's key: then
    --id or --key decides.
    """
    by = naming(by_id=by_id, by_key=by_key)

    from breakwall.payments.audit import list_incidents, list_interventions
    from breakwall.payments.queries import get_order, list_attempts
    from breakwall.producers.documents import order_with_history
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        order = get_order(database, name, by)
        attempts = list_attempts(database, order.id)
        interventions = list_interventions(database, order.id)
        incidents = list_incidents(database, order.id)
    if output is Format.JSON:
        write_json(order_with_history(order, attempts, interventions, incidents))
    else:
        write_order(order)
        _write_attempts(attempts, order.charge_key)
        _write_interventions(interventions)
        _write_incidents(incidents)


def list_orders(
    status: Annotated[OrderStatus | None, typer.Option(help="Only orders in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = 50,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the newest orders, newest first."""
    from breakwall.payments import queries
    from breakwall.producers.documents import order_document
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        found = queries.list_orders(database, status=status, limit=limit + 1)
    if output is Format.JSON:
        write_json([order_document(order) for order in found[:limit]])
    else:
        _write_list(found[:limit])
    if len(found) > limit:
        typer.echo(f"There are more than these {limit}; --limit shows more of them.", err=True)


def write_order(order: StoredOrder) -> None:
    """Write one order's fields for people."""
    from breakwall.payments.currencies import show_money
    from breakwall.terminal.output import plain, write_fields
    from breakwall.terminal.words import moment, state

    cancelling = ", to be cancelled" if order.cancel_requested and order.status != "cancelled" else ""
    fields = {
        "order": order.id,
        "key": plain(order.idempotency_key),
        "sent as": plain(order.charge_key),
        "amount": f"{show_money(order.amount, order.currency)} from {plain(order.user_id)}",
        "status": state(order.status.value) + cancelling,
        "charge": plain(order.charge_id or "-"),
        "retries": f"{order.retry_count} by the worker; put off {order.deferral_count} times",
        "next attempt": moment(order.next_attempt_at),
        "last error": plain(order.last_error or "-"),
        "accepted": moment(order.created_at),
        "settled": moment(order.settled_at),
    }
    if order.suspected_at is not None:
        fields["suspected"] = f"since {moment(order.suspected_at)}: looked up before anything is sent"
    write_fields(fields)


def _write_attempts(attempts: list[StoredAttempt], key: str) -> None:
    from breakwall.terminal.output import data, plain, write_table
    from breakwall.terminal.words import duration, moment

    if not attempts:
        data().print("\nNothing was tried yet.", highlight=False)
        return
    rows: list[tuple[str, ...]] = [
        (
            str(attempt.number),
            attempt.source,
            moment(attempt.started_at),
            "-" if attempt.finished_at is None else duration(_took(attempt)),
            "running" if attempt.outcome is None else attempt.outcome.value,
            plain(attempt.code or "-"),
            plain(attempt.charge_id or attempt.detail or "-"),
            "-" if attempt.gateway_key == key else plain(attempt.gateway_key),
        )
        for attempt in attempts
    ]
    heads: tuple[str, ...] = ("attempt", "by", "sent", "took", "outcome", "code", "detail", "sent as")
    if all(attempt.gateway_key == key for attempt in attempts):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    data().print()
    write_table(heads, rows, right=("attempt", "took"))


def _write_interventions(interventions: list[StoredIntervention]) -> None:
    from breakwall.terminal.output import data, plain, write_table
    from breakwall.terminal.words import moment, state

    if not interventions:
        return
    rows = [
        (
            done.action.value,
            plain(done.actor),
            moment(done.at),
            f"{state(done.before.value)} → {state(done.after.value)}",
            plain(done.evidence or "-"),
            plain(done.reason or "-"),
        )
        for done in interventions
    ]
    data().print()
    write_table(("intervention", "by", "at", "state", "evidence", "reason"), rows)


def _write_incidents(incidents: list[StoredIncident]) -> None:
    from breakwall.producers.commands.incidents import closing
    from breakwall.terminal.output import data, plain, write_table
    from breakwall.terminal.words import moment

    if not incidents:
        return
    rows = [
        (
            str(found.id),
            found.kind if found.closed_at else f"[bold red]{found.kind}[/]",
            moment(found.at),
            plain(found.detail),
            closing(found),
        )
        for found in incidents
    ]
    data().print()
    write_table(("incident", "kind", "since", "detail", "closed"), rows, right=("incident",))


def _took(attempt: StoredAttempt) -> float:
    finished = attempt.finished_at or attempt.started_at
    return (finished - attempt.started_at).total_seconds()


def _write_list(found: list[StoredOrder]) -> None:
    from breakwall.payments.currencies import show_money
    from breakwall.terminal.output import plain, write_table
    from breakwall.terminal.words import moment, state

    if not found:
        typer.echo("There is no such order.", err=True)
        return
    rows = [
        (
            order.id,
            plain(order.idempotency_key),
            show_money(order.amount, order.currency),
            state(order.status.value),
            str(order.retry_count),
            moment(order.created_at),
        )
        for order in found
    ]
    heads = ("order", "key", "amount", "status", "retries", "accepted")
    write_table(heads, rows, right=("amount", "retries"))
