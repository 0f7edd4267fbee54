"""`breakwall orders bulk-retries`: what `breakwall orders retry --all` has made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.actors import by_actor, name_or
from breakwall.cli.bulk import check_bulk_reason
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import bulk_retry_document
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import field_lines, plain, write_list, write_result
from breakwall.terminal.words import count, duration, moment

if TYPE_CHECKING:
    from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry

SHOWN = 20  # Bulk retries that are listed by default.

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The bulk retry's id.")]

bulk_retries_app = typer.Typer(
    no_args_is_help=True, help="Retries of all orders that match: list them, watch one, abort one."
)


@bulk_retries_app.command("list", short_help="List them, the newest first.")
def list_bulk_retries(
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = SHOWN,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the bulk retries, the newest first. `show` has all of one."""
    with _bulk_retries() as bulk_retries:
        found = bulk_retries.newest(limit + 1)
    if output is Format.TEXT and not found:
        typer.echo("There is no bulk retry.", err=True)
        return
    heads = ("bulk retry", "name", "state", "done", "orders", "since", "by")
    right, wrapped = ("done", "orders"), ("name",)
    write_list(output, found, limit, bulk_retry_document, heads, _cells, right=right, wrapped=wrapped)


@bulk_retries_app.command("show", short_help="Show one: its progress, its rate, the time that is left.")
def show(bulk_id: IdArgument, output: OutputOption = Format.TEXT) -> None:
    """Show a bulk retry: its counts, its progress, its rate, and an estimate of the time that is left.

    Exits with 3 if there is none with this id.
    """
    with _bulk_retries() as bulk_retries:
        bulk = bulk_retries.get(bulk_id)
    write_result(output, bulk_retry_document(bulk), *field_lines(_fields(bulk)))


@bulk_retries_app.command("abort", short_help="Retry no more of its orders.")
def abort(
    bulk_id: IdArgument,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Retry no more of its orders after the batch in hand. What was retried stays retried. Needs --reason.

    Exits with 3 if there is none with this id, and with 4 if it has ended.
    """
    check_bulk_reason(reason)
    who = author(actor, reason)
    with _bulk_retries() as bulk_retries:
        bulk = bulk_retries.abort(bulk_id, who)
    sentence = (
        f"It is aborted. {count(bulk.retried, 'order')} of {bulk.eligible:,} were retried, and stay so."
    )
    write_result(output, bulk_retry_document(bulk), sentence)


@contextmanager
def _bulk_retries() -> Iterator[BulkRetries]:
    from breakwall.payments.operator.bulk_retry.record import BulkRetries

    with orders_database() as (database, _):
        yield BulkRetries(database)


def _cells(bulk: BulkRetry) -> Sequence[str]:
    numbers = f"{bulk.done:,}", f"{bulk.eligible:,}"
    return (
        bulk.id,
        plain(bulk.name),
        bulk.state,
        *numbers,
        moment(bulk.created_at),
        plain(name_or("-", bulk.actor)),
    )


def _fields(bulk: BulkRetry) -> dict[str, str]:
    left = "unknown" if bulk.seconds_left is None else f"about {duration(bulk.seconds_left)}"
    rate = "at most half of the database's time" if bulk.rate is None else f"{bulk.rate:g} orders a second"
    alone = f"{bulk.changed:,} changed, {bulk.paid:,} paid, {bulk.disputed:,} to be resolved"
    fields = {
        "bulk retry": bulk.id,
        "name": plain(bulk.name),
        "state": bulk.state,
        "made": f"{moment(bulk.created_at)}{by_actor(plain(bulk.actor))}: {plain(bulk.reason)}",
        "rate": rate,
        "eligible": f"{count(bulk.eligible, 'order')}, of which {_known(bulk.looked_up_first)} are looked up first",
        "not in it": f"{_known(bulk.already_paid)} paid, {_known(bulk.skipped)} in another state, "
        f"{_known(bulk.to_be_resolved)} to be resolved",
        "retried": f"{bulk.retried:,}",
        "left alone": f"{alone} meanwhile",
        "left": f"{bulk.eligible - bulk.done:,} orders, {left}",
    }
    if bulk.waits_for is not None:
        fields["waits for"] = f"a worker with the gateway {plain(bulk.waits_for)}, which no live worker has"
    if bulk.has_ended:
        fields["left"] = f"{bulk.eligible - bulk.done:,} orders"
        fields["ended"] = moment(bulk.ended_at)
    if bulk.aborted_by is not None:
        fields["aborted"] = f"yes{by_actor(plain(bulk.aborted_by))}: {plain(bulk.abort_reason)}"
    return fields


def _known(number: int | None) -> str:
    return "(not counted)" if number is None else f"{number:,}"
