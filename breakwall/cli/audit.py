"""`breakwall audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.actors import name_or
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import audit_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_list, write_note
from breakwall.terminal.times import MOMENT, parse_duration, parse_moment
from breakwall.terminal.words import moment

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from breakwall.payments.operator.audit_entries import AuditEntry

HEADS = ("time", "actor", "action", "subject", "result", "detail", "reason")


def audit(
    since: Annotated[
        str | None,
        typer.Option(metavar="DURATION|TIME", help=f"Not older: 30m, 2h, 7d, or a time. {MOMENT}"),
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this person did.")] = None,
    action: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this: order_retry, queue_pause, …; or the first word: order, queue, breaker.",
        ),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only what was done to this: an order's id, payment, queue."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, metavar="N", help="How many.")
    ] = 50,
    output: OutputOption = Format.TEXT,
) -> None:
    """List what people did, newest first: who, when, why, and how it went.

    That is retries, cancellations and resolutions of orders, pauses of the queue, closed incidents, overrides of the
    circuit, tokens, and deliveries to the shop. A result is done, refused (nothing was changed), or unconfirmed (it
    may have been done). Without a result, the process that did it ended before it said how it went.
    """
    from breakwall.payments.operator.audit_entries import AuditFilter, list_audit

    wanted = AuditFilter(_since(since), None, actor, action, subject)
    with orders_database() as (database, _):
        found = database.read(lambda connection: list_audit(connection, wanted, limit=limit + 1))
    if output is Format.TEXT and not found:
        write_note("Nobody did anything like that.")
    write_list(output, found, limit, audit_document, HEADS, _row, wrapped=HEADS[-1:])


def _since(text: str | None) -> ColumnElement[datetime] | datetime | None:
    from breakwall.durations import seconds_in
    from breakwall.payments.db.clock import DATABASE_CLOCK

    if text is None:
        return None
    if seconds_in(text) is None:
        return parse_moment(text, "--since")
    return DATABASE_CLOCK.after(-parse_duration(text, "--since"))


def _row(entry: AuditEntry) -> tuple[str, ...]:
    return (
        moment(entry.at),
        plain(name_or("-", entry.actor)),
        entry.action,
        plain(entry.subject or "-"),
        entry.result or "not known",
        plain(entry.detail or "-"),
        plain(entry.reason or "-"),
    )
