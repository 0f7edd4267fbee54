"""`breakwall orders reconcile`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.cli.errors import ExitCode
from breakwall.cli.orders.input_file import (
    AmountsOption,
    ColumnsOption,
    EncodingOption,
    columns_named,
    encoding_named,
    opened,
)
from breakwall.cli.orders.progress import counting
from breakwall.files.amounts import Units
from breakwall.terminal.moments import MOMENT, parse_moment
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.reconciliation.compare import Difference
    from breakwall.payments.reconciliation.report import Report
    from breakwall.payments.reconciliation.run import Period, Reconciliation


def reconcile(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="CSV, a JSON array or JSON Lines; - is standard input."),
    ],
    columns: ColumnsOption = "",
    amounts: AmountsOption = Units.MINOR,
    charged: Annotated[
        str,
        typer.Option(
            metavar="WORD,…", help="What else this file calls charged: Abgeschlossen.", show_default=False
        ),
    ] = "",
    prefix: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Only charges whose key begins so are ours.", show_default=False),
    ] = "",
    only_known: Annotated[
        bool, typer.Option("--only-known", help="Charges of no order here are others', not differences.")
    ] = False,
    encoding: EncodingOption = "",
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

    The fields are charge_id, amount, currency and status, and key or order_id if there are such;
    docs/reconciliation.md has the words that --columns takes for Stripe's, Adyen's and PayPal's reports.
    A charge is an order's by its key, else by its charge_id.

    Of several lines for one charge, as in a log of events, the last one says whether
    it stands: charged and then refunded is refunded. A line that is no charge (pending, a dispute, a total) is
    counted and passed over.

    With --since and --until, a paid order is missed in the report only when all of
    its charging lay within that time; without them, every paid order should be in there.

    Exits with 0 when both agree, with 1 when they differ or a line cannot be read, and with 2 when the file
    cannot be understood: then nothing was compared.
    """
    period = _period(since, until)

    from breakwall.payments.reconciliation.report import FIELDS, Report
    from breakwall.payments.reconciliation.run import Reconciliation
    from breakwall.settings import DAY, load_settings
    from breakwall.wiring import open_database

    names, decoding = columns_named(columns, FIELDS), encoding_named(encoding)
    settings = load_settings()
    with (
        opened(file, "a report") as (stream, _),
        closing(open_database(settings)) as database,
        counting("comparing", "lines and orders") as advance,
    ):
        report = Report(
            stream,
            columns=names,
            units=amounts,
            charged=[word for word in charged.split(",") if word.strip()],
            prefix=prefix,
            encoding=decoding,
        )
        reconciliation = Reconciliation(
            database,
            period=period,
            account=settings.payment_account,
            only_known=only_known,
            keys_for=settings.retention.keys_days * DAY,
            advance=advance,
        )
        comparison = _Comparison(report, reconciliation)
        tell = _tell_json if output is Format.JSON else _tell_text
        agrees = tell(comparison, reconciliation.run(report))
        _tell_unread(report, output)
    if not agrees:
        raise typer.Exit(ExitCode.FAILURE)


@dataclass
class _Comparison:
    """A comparison as it is told: what was read, what was compared, and how many differences of each kind."""

    report: Report
    reconciliation: Reconciliation
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def agrees(self) -> bool:
        return not self.kinds and not self.report.unreadable

    @property
    def of_others(self) -> int:
        return self.report.of_others + self.reconciliation.of_others


def _period(since: str | None, until: str | None) -> Period:
    from breakwall.payments.reconciliation.run import Period

    period = Period(
        None if since is None else parse_moment(since, "--since"),
        None if until is None else parse_moment(until, "--until"),
    )
    if period.since and period.until and period.since >= period.until:
        raise typer.BadParameter("should be after --since", param_hint="--until")
    return period


def _tell_text(comparison: _Comparison, differences: Iterator[Difference]) -> bool:
    from breakwall.terminal.output import data

    console = data()
    for found in differences:
        comparison.kinds[found.kind] += 1
        console.print(_in_words(found), highlight=False)
    for sentence in _summary(comparison):
        console.print(sentence, highlight=False)
    return comparison.agrees


def _in_words(found: Difference) -> str:
    from breakwall.terminal.output import plain

    where = f", line {found.line}" if found.line else ""
    key = f" (key {plain(found.idempotency_key)})" if found.idempotency_key else ""
    told = f"[bold red]{found.kind:<16}[/] {found.order_id or '-'}{key}: {plain(found.sentence)}{where}."
    what_to_do = _OF_PRUNED if found.pruned else found.command
    return f"{told}\n{'':<16} {plain(what_to_do)}" if what_to_do else told


_OF_PRUNED = "This order was pruned, so nothing is recorded of it here: refund what is too much at the payment service."


def _summary(comparison: _Comparison) -> Iterator[str]:
    from breakwall.terminal.output import plain
    from breakwall.terminal.words import count

    report, compared = comparison.report, comparison.reconciliation
    listed = ", ".join(f"{number:,} {kind}" for kind, number in sorted(comparison.kinds.items()))
    said = f"They differ: {listed}." if listed else "They agree."
    if report.unreadable:
        lines = count(report.unreadable, "line")
        said = f"{said[:-1]}, as far as can be told: {lines} cannot be read."
    yield (
        f"{said} Compared were {count(compared.lines, 'line')} with {count(compared.charges, 'charge')}, and "
        f"{count(compared.paid_orders, 'paid order')} of the period."
    )
    if report.skipped:
        words = ", ".join(f"{number:,} {plain(word)}" for word, number in report.skipped.most_common(20))
        more = ", …" if len(report.skipped) > 20 else ""
        yield f"No charges: {words}{more}."
        if not compared.charges:
            yield "No line is a charge. If one of these words means that it is, say --charged WORD."
    if comparison.of_others:
        yield f"Of others: {count(comparison.of_others, 'line')}."
    if compared.not_judged:
        yield f"Not judged: {count(compared.not_judged, 'paid order')} whose charge may lie before --since."
    if compared.pruned:
        pruned = count(compared.pruned, "paid order")
        yield f"Pruned: {pruned} of the period: compared where the report has them, not looked for in it."
    if compared.forgotten_before:
        yield (
            f"Keys of orders that ended before {compared.forgotten_before:%Y-%m-%d} may be forgotten "
            "(BREAKWALL_RETENTION__KEYS_DAYS): charges of that time are unknown keys here."
        )


def _tell_unread(report: Report, output: Format) -> None:
    """On stderr: the lines that cannot be read, and how the text was taken."""
    from breakwall.terminal.output import notes, plain, write_json_note
    from breakwall.terminal.words import count

    if output is Format.JSON:
        for problem in report.problems:
            write_json_note(asdict(problem))
        return
    console = notes()
    for problem in report.problems:
        console.print(plain(problem), highlight=False)
    if more := report.unreadable - len(report.problems):
        console.print(f"{count(more, 'more line')} cannot be read.", highlight=False)
    if report.legacy:
        said = "The report is not UTF-8 and was taken for Windows-1252; --encoding says what else it is."
        console.print(said, highlight=False)


def _tell_json(comparison: _Comparison, differences: Iterator[Difference]) -> bool:
    """Write one document, each difference as it is found; there may be more than the memory holds."""
    kinds = comparison.kinds
    finished = False
    try:
        for found in differences:
            _write('{"differences": [' if not kinds else ",")
            kinds[found.kind] += 1
            _write(f"\n  {json.dumps(asdict(found) | {'command': found.command})}")
        finished = True
    finally:
        # An unreadable file is noticed before the first difference; then nothing was compared.
        if finished or kinds:
            _write(("\n], " if kinds else '{"differences": [], ') + _rest(comparison, finished))
    return comparison.agrees


def _rest(comparison: _Comparison, finished: bool) -> str:
    report, compared = comparison.report, comparison.reconciliation
    document: dict[str, Any] = {
        "counts": dict(sorted(comparison.kinds.items())),
        "agrees": finished and comparison.agrees,
        "lines": compared.lines,
        "charges": compared.charges,
        "skipped": dict(report.skipped.most_common()),
        "unreadable": report.unreadable,
        "of_others": comparison.of_others,
        "paid_orders": compared.paid_orders,
        "not_judged": compared.not_judged,
        "pruned": compared.pruned,
        "forgotten_before": compared.forgotten_before and compared.forgotten_before.isoformat(),
        "finished": finished,
    }
    return json.dumps(document)[1:] + "\n"


def _write(text: str) -> None:
    sys.stdout.write(text)
