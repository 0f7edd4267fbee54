"""The proof in words and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from breakwall.currencies import show_money
from breakwall.demo.reconciliation import Fault, Reconciliation, Verdict
from breakwall.demo.snapshot import LookUps
from breakwall.demo.timeline import Course
from breakwall.terminal.paragraphs import fill
from breakwall.terminal.words import count, duration

if TYPE_CHECKING:
    from rich.text import Text

SHOWN = 20
"""Faulty orders that are shown; the document has them all."""


@dataclass(frozen=True, slots=True)
class Report:
    """How the run ended.

    Attributes:
        result: the reconciliation.
        look_ups: what became of the answers that were lost.
        course: what the run was like.
        refused: customers who were told that nothing was accepted.
        longest_answer: seconds that the most patient customer waited for an answer.
        longest_charge: seconds from an order to its settlement, at most.
        seconds: how long the demo took.
        seed: what makes it the same again.
    """

    result: Reconciliation
    look_ups: LookUps
    course: Course
    refused: int
    longest_answer: float
    longest_charge: float
    seconds: float
    seed: int

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing charged twice, nothing left, and the sums are equal."""
        return self.result.holds

    def as_document(self) -> dict[str, Any]:
        """The same as plain values, for JSON. Amounts are minor units, by currency."""
        result = self.result
        return {
            "ok": self.holds,
            "accepted": result.accepted,
            **{verdict.value: result.count(verdict) for verdict in Verdict},
            "amount_recorded": dict(result.recorded),
            "amount_charged": dict(result.charged),
            "refused": self.refused,
            "answers_lost": self.look_ups.total,
            "found_by_look_up": self.look_ups.found,
            "proven_absent_by_look_up": self.look_ups.absent,
            **asdict(self.course),
            "longest_answer_seconds": round(self.longest_answer, 3),
            "longest_charge_seconds": round(self.longest_charge, 3),
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "faults": [asdict(fault) for fault in result.faults],
        }


def report_lines(report: Report, width: int) -> list[Text]:
    """The proof for people, in ``width`` columns: the account, what it shows, and the orders at fault."""
    from rich.text import Text

    lines = [Text(""), *(_row(*row) for row in _account(report))]
    lines += [Text(""), *(Text(fill(sentence, width)) for sentence in _remarks(report))]
    lines += [Text(""), _conclusion(report)]
    return lines + [Text(line, "red") for line in _fault_lines(report.result.faults)]


def _account(report: Report) -> list[tuple[str, str, str, bool]]:
    """Name, number, remark, and whether it is as it should be."""
    result = report.result
    unfinished = result.count(Verdict.UNFINISHED)
    rows = [
        ("accepted", f"{result.accepted:,}", "by the customers' own record", True),
        ("paid", f"{result.count(Verdict.PAID):,}", "exactly one charge each, for the right amount", True),
        ("declined", f"{result.count(Verdict.DECLINED):,}", "by the bank: an answer, not a fault", True),
        ("lost", f"{result.count(Verdict.LOST):,}", "", not result.count(Verdict.LOST)),
        _bad(result, Verdict.CHARGED_TWICE, "charged twice"),
    ]
    others = [
        _bad(result, Verdict.WRONG_AMOUNT, "wrong amount"),
        _bad(result, Verdict.UNRECORDED, "unrecorded"),
        ("unfinished", f"{unfinished:,}", "accepted, neither paid nor declined", not unfinished),
    ]
    rows += [row for row in others if not row[3]]
    equal = result.recorded == result.charged
    same = ", and recorded by Breakwall" if equal else ""
    rows.append(("amount", _money(result.charged), f"taken from cards{same}", equal))
    if not equal:
        rows.append(("recorded", _money(result.recorded), "by Breakwall, which is not the same", False))
    return rows


def _bad(result: Reconciliation, verdict: Verdict, name: str) -> tuple[str, str, str, bool]:
    return (name, f"{result.count(verdict):,}", "", not result.count(verdict))


def _row(name: str, number: str, remark: str, good: bool) -> Text:
    from rich.text import Text

    style = "bold green" if good else "bold red"
    return Text.assemble(f"  {name:<14}", (f"{number:>12}", style), (f"   {remark}" if remark else "", "dim"))


def _remarks(report: Report) -> list[str]:
    look_ups, course = report.look_ups, report.course
    remarks = [
        f"{count(look_ups.total, 'answer')} got lost on the way, and Breakwall asked about each before it "
        f"charged: {look_ups.found} had been charged and were not charged again, {look_ups.absent} had not.",
        f"At most {count(course.most_waiting, 'order')} waited at a time, the longest for "
        f"{duration(report.longest_charge)}. No customer waited longer than "
        f"{report.longest_answer:.2f} s for an answer.",
    ]
    if report.refused:
        remarks.append(f"{count(report.refused, 'customer')} got an error instead and may order again.")
    return remarks


def _conclusion(report: Report) -> Text:
    from rich.text import Text

    if report.holds:
        return Text("Nothing was lost, nothing was charged twice.", "bold green")
    if not report.result.accepted:
        return Text("No order was accepted, so nothing is proven.", "bold red")
    faulty = count(len(report.result.faults), "order")
    return Text(f"The proof fails: {faulty} not as promised.", "bold red")


def _fault_lines(faults: Sequence[Fault]) -> list[str]:
    lines = [
        f"  order {fault.order_id} ({fault.key or 'nobody ordered it'}): "
        f"{fault.verdict.value.replace('_', ' ')}: {fault.detail}"
        for fault in faults[:SHOWN]
    ]
    more = len(faults) - SHOWN
    return lines + ([f"  and {more:,} more, in report.json"] if more > 0 else [])


def _money(sums: Mapping[str, int]) -> str:
    return " + ".join(show_money(amount, currency) for currency, amount in sorted(sums.items())) or "nothing"
