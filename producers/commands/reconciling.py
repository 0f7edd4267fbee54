"""`breakwall orders reconcile`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.terminal.errors import ExitCode
from breakwall.terminal.moments import MOMENT, parse_moment
from breakwall.terminal.options import Format, OutputOption
from producers.commands.files import opened
from producers.commands.progress import counting

if TYPE_CHECKING:
    from breakwall.payments.differences import Difference
    from breakwall.payments.reconciliation import Period, Reconciliation


def reconcile(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="CSV with a header, or JSON Lines; - is standard input.")
    ],
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"When the report's period begins. {MOMENT}", show_default=False),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends: the first moment after it.", show_default=False),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Compare a payment service's report with the orders, and list every difference. Changes nothing.

    The columns are key (or idempotency_key), charge_id, amount (minor units), currency and status
    (succeeded; or declined, failed, processing, cancelled, refunded). Others are passed over.

    Every line is compared. Of several lines for one charge, as in a log of events, the last one says whether
    it stands: charged and then refunded is refunded.

    With --since and --until, a paid order is missed in the report only when all of
    its charging lay within that time; without them, every paid order should be in there.

    Exits with 0 when both agree, with 1 when they differ, and with 2 when the report cannot be read: then
    the line and the field are named.
    """
    period = _period(since, until)

    from breakwall.payments.reconciliation import Reconciliation
    from breakwall.payments.reports import read_report
    from breakwall.settings import load_settings
    from breakwall.wiring import open_database

    with (
        opened(file, "a report") as (stream, _),
        closing(open_database(load_settings())) as database,
        counting("comparing", "lines and orders") as advance,
    ):
        reconciliation = Reconciliation(database, period=period, advance=advance)
        tell = _tell_json if output is Format.JSON else _tell_text
        agrees = tell(reconciliation, reconciliation.run(read_report(stream)))
    if not agrees:
        raise typer.Exit(ExitCode.FAILURE)


def _period(since: str | None, until: str | None) -> Period:
    from breakwall.payments.reconciliation import Period

    period = Period(
        None if since is None else parse_moment(since, "--since"),
        None if until is None else parse_moment(until, "--until"),
    )
    if period.since and period.until and period.since >= period.until:
        raise typer.BadParameter("should be after --since", param_hint="--until")
    return period


def _tell_text(reconciliation: Reconciliation, differences: Iterator[Difference]) -> bool:
    from breakwall.terminal.output import data, plain
    from breakwall.terminal.words import count

    console = data()
    kinds: Counter[str] = Counter()
    for found in differences:
        kinds[found.kind] += 1
        where = f", line {found.line}" if found.line else ""
        name = found.order_id or "-"
        key = f" (key {plain(found.idempotency_key)})" if found.idempotency_key else ""
        console.print(
            f"[bold red]{found.kind:<16}[/] {name}{key}: {plain(found.sentence)}{where}.", highlight=False
        )
    compared = (
        f"{count(reconciliation.lines, 'line')} with {count(reconciliation.charges, 'charge')}, and "
        f"{count(reconciliation.paid_orders, 'paid order')} of the period"
    )
    listed = ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))
    said = f"They differ: {listed}." if kinds else "They agree."
    console.print(f"{said} Compared were {compared}.", highlight=False)
    if reconciliation.not_judged:
        missing = count(reconciliation.not_judged, "paid order")
        console.print(f"Not judged: {missing} whose charge may lie before --since.", highlight=False)
    return not kinds


def _tell_json(reconciliation: Reconciliation, differences: Iterator[Difference]) -> bool:
    """Write one document, each difference as it is found; there may be more than the memory holds."""
    kinds: Counter[str] = Counter()
    finished = False
    try:
        for found in differences:
            _write('{"differences": [' if not kinds else ",")
            kinds[found.kind] += 1
            _write(f"\n  {json.dumps(asdict(found))}")
        finished = True
    finally:
        # An unreadable report is noticed before the first difference; then nothing was compared.
        if finished or kinds:
            _write(("\n], " if kinds else '{"differences": [], ') + _rest(reconciliation, kinds, finished))
    return not kinds


def _rest(reconciliation: Reconciliation, kinds: Counter[str], finished: bool) -> str:
    document: dict[str, Any] = {
        "counts": dict(sorted(kinds.items())),
        "agrees": finished and not kinds,
        "lines": reconciliation.lines,
        "charges": reconciliation.charges,
        "paid_orders": reconciliation.paid_orders,
        "not_judged": reconciliation.not_judged,
        "finished": finished,
    }
    return json.dumps(document)[1:] + "\n"


def _write(text: str) -> None:
    sys.stdout.write(text)
