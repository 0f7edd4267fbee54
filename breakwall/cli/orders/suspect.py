"""`breakwall orders suspect`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.cli.bulk import check_attended, check_bulk_reason, counting, summarised
from breakwall.cli.orders_database import orders_database
from breakwall.payments.orders import OrderStatus
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import DryRunOption, Format, OutputOption, YesOption
from breakwall.terminal.output import field_lines, notes, plain, say, write_result
from breakwall.terminal.times import MOMENT, parse_moment
from breakwall.terminal.words import count

if TYPE_CHECKING:
    from breakwall.payments.operator.suspect import SuspicionPreview


def suspect(
    since: Annotated[str, typer.Option(metavar="TIME", help=f"When the backup was made. {MOMENT}")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """After a restore: have every open order looked up before anything is sent.

    An order that was queued, in flight, in review or dead in the backup of TIME may have been charged since then, but
    the attempts that show it are lost. The orders' states and due times stay.

    Stop producers and workers first. Start them after `breakwall orders reconcile`, which finds charges that a
    look-up cannot find. All steps are in docs/operations.md.

    Needs --reason, and --yes if there is no terminal to ask on. It works in short transactions. If it is stopped, run
    it again: it does the rest, and records no order twice.
    """
    moment = _past(since)
    if not dry_run:
        check_bulk_reason(reason)
    who = author(actor, reason)

    from breakwall.payments.operator.suspect import Suspicion

    with orders_database() as (database, _):
        suspicion = Suspicion(database)
        if dry_run:
            seen = suspicion.preview(moment)
            document = {
                "dry_run": True,
                **_document(moment, seen.by_state),
                "noted_before": seen.suspected_before,
            }
            write_result(output, document, "A dry run: nothing was changed.", *_preview_lines(seen))
            return
        if not yes:
            check_attended("this changes many orders")
            seen = suspicion.preview(moment)
            if not seen.by_state:
                _summarise({}, moment, output, finished=True)
                return
            say(*_preview_lines(seen), console=notes())
            typer.confirm("Have them looked up before anything is sent?", abort=True, err=True)
        done: Counter[OrderStatus] = Counter()
        with (
            summarised(lambda finished: _summarise(done, moment, output, finished=finished)),
            counting("suspecting", "orders") as advance,
        ):
            for batch in suspicion.run(moment, who):
                done.update(batch)
                advance(sum(batch.values()))


def _past(text: str) -> datetime:
    moment = parse_moment(text, "--since")
    if moment >= datetime.now(UTC):
        raise typer.BadParameter("should be in the past: when the backup was made", param_hint="--since")
    return moment


def _summarise(done: Mapping[OrderStatus, int], since: datetime, output: Format, *, finished: bool) -> None:
    total = sum(done.values())
    reconcile = f"breakwall orders reconcile REPORT --since {shlex.quote(since.isoformat())}"
    verb = "is" if total == 1 else "are"
    first = f"{count(total, 'order')} {verb} looked up before anything is sent."
    then = f"Next, before a worker starts: {reconcile}, and record what it names."
    if not finished:
        then = "It stopped before the end. Run it again: it does the rest."
    elif not total:
        first = "Every open order was suspected before; nothing was changed."
    document = {**_document(since, done), "finished": finished, "next": reconcile}
    write_result(output, document, plain(f"{first} {then}"))


def _document(since: datetime, by_state: Mapping[OrderStatus, int]) -> dict[str, Any]:
    return {
        "since": since.isoformat(),
        "suspected": {str(status): number for status, number in by_state.items()},
        "orders": sum(by_state.values()),
    }


def _preview_lines(seen: SuspicionPreview) -> list[str]:
    from breakwall.payments.operator.suspect import OPEN

    numbers = {str(status): f"{seen.by_state.get(status, 0):,}" for status in OPEN}
    return field_lines(
        {**numbers, "suspected before": f"{seen.suspected_before:,} open orders, which stay as they are"}
    )
