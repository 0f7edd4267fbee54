"""Writes a comparison of a report with the orders: each discrepancy as it is found, then a summary."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from breakwall.terminal.options import Format
from breakwall.terminal.output import data, notes, plain, say, write_json_note
from breakwall.terminal.words import count

if TYPE_CHECKING:
    from breakwall.payments.reconciliation.compare import Discrepancy
    from breakwall.payments.reconciliation.report import Report
    from breakwall.payments.reconciliation.run import Reconciliation

OTHER_WORDS = 20  # How many statuses of lines that are no charges are shown as text, the most frequent first.

PRUNED = "This order was pruned, so no incident can be opened for it: refund what is too much at the payment service."


@dataclass
class Comparison:
    """A report, its comparison with the orders, and the number of discrepancies of each kind so far."""

    report: Report
    reconciliation: Reconciliation
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def agrees(self) -> bool:
        return not self.kinds and not self.report.unreadable

    @property
    def of_others(self) -> int:
        return self.report.of_others + self.reconciliation.of_others

    def run(self) -> Iterator[Discrepancy]:
        """Compare, and yield and count each discrepancy as it is found."""
        for found in self.reconciliation.run(self.report):
            self.kinds[found.kind] += 1
            yield found


def write_comparison(comparison: Comparison, output: Format) -> None:
    """Compare, and write the discrepancies and a summary to stdout, and unreadable lines to stderr."""
    if output is Format.JSON:
        _write_document(comparison)
    else:
        console = data()
        for found in comparison.run():
            say(_in_words(found), console=console)
        say(*_summary(comparison), console=console)
    _write_unreadable(comparison.report, output)


def _in_words(found: Discrepancy) -> str:
    where = f", line {found.line}" if found.line else ""
    key = f" (key {plain(found.idempotency_key)})" if found.idempotency_key else ""
    line = f"[bold red]{found.kind:<16}[/] {found.order_id or '-'}{key}: {plain(found.sentence)}{where}."
    what_to_do = PRUNED if found.pruned else found.command
    return f"{line}\n{'':<16} {plain(what_to_do)}" if what_to_do else line


def _summary(comparison: Comparison) -> Iterator[str]:
    report, compared = comparison.report, comparison.reconciliation
    yield (
        f"{_verdict(comparison)} Compared: {count(compared.lines, 'line')} with "
        f"{count(compared.charges, 'charge')}, and {count(compared.paid_orders, 'paid order')} of the period."
    )
    if report.skipped:
        words = ", ".join(
            f"{number:,} {plain(word)}" for word, number in report.skipped.most_common(OTHER_WORDS)
        )
        more = ", …" if len(report.skipped) > OTHER_WORDS else ""
        yield f"No charges: {words}{more}."
        if not compared.charges:
            yield "No line is a charge. If one of these statuses means charged, add --charged STATUS."
    if comparison.of_others:
        yield f"Ignored: {count(comparison.of_others, 'line')} of other software on the account."
    if compared.not_judged:
        yield f"Not judged: {count(compared.not_judged, 'paid order')}, maybe charged before --since."
    if compared.pruned:
        pruned = count(compared.pruned, "paid order")
        yield f"Pruned: {pruned} of the period. If the report has them, they were compared; else they are not missed."
    if compared.forgotten_before:
        yield (
            f"Keys of orders that finished before {compared.forgotten_before:%Y-%m-%d} may be forgotten "
            "(BREAKWALL_RETENTION__KEYS_DAYS): charges of that time are listed as unknown_key."
        )


def _verdict(comparison: Comparison) -> str:
    report, compared = comparison.report, comparison.reconciliation
    if comparison.agrees and compared.lines == compared.of_others:
        return f"Nothing was compared: {_why_nothing(report, compared)}."
    listed = ", ".join(f"{number:,} {kind}" for kind, number in sorted(comparison.kinds.items()))
    sentence = f"They differ: {listed}" if listed else "They agree"
    if report.unreadable:
        sentence += f" in the readable lines; {count(report.unreadable, 'line')} cannot be read"
    return f"{sentence}."


def _why_nothing(report: Report, compared: Reconciliation) -> str:
    if report.of_others:
        return f"no key begins with {plain(report.prefix)!r}"
    return "no line is about an order of this database" if compared.lines else "the report has no charge"


def _write_unreadable(report: Report, output: Format) -> None:
    """The lines that cannot be read, and how the text was decoded."""
    if output is Format.JSON:
        for problem in report.problems:
            write_json_note(asdict(problem))
        return
    lines = [plain(problem) for problem in report.problems]
    if more := report.unreadable - len(report.problems):
        lines.append(f"{count(more, 'more line')} cannot be read.")
    if report.legacy:
        lines.append(
            "The report is not UTF-8 and was read as Windows-1252. For another encoding, add --encoding."
        )
    say(*lines, console=notes())


def _write_document(comparison: Comparison) -> None:
    """Write one JSON document piece by piece: the discrepancies may not fit into memory."""
    separator, finished = '{"differences": [', False
    try:
        for found in comparison.run():
            sys.stdout.write(f"{separator}\n  {json.dumps(asdict(found) | {'command': found.command})}")
            separator = ","
        finished = True
    finally:
        # If the file cannot be understood, the error comes before the first discrepancy: then nothing is written.
        if finished or separator == ",":
            end = "\n], " if separator == "," else f"{separator}], "
            sys.stdout.write(end + _rest(comparison, finished))


def _rest(comparison: Comparison, finished: bool) -> str:
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
