"""The proof as text for people and as a JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from breakwall.currencies import show_money
from breakwall.demo.proof import OrderFault, Proof, ProofVerdict
from breakwall.demo.scenario import OutageFigures
from breakwall.demo.snapshot import LostAnswers
from breakwall.terminal.words import count, duration, fill

MOST_SHOWN = 20  # Faulty orders that the text shows; the document has all.

ALWAYS_SHOWN = {ProofVerdict.PAID, ProofVerdict.DECLINED, ProofVerdict.LOST, ProofVerdict.CHARGED_TWICE}
REMARKS = {
    ProofVerdict.PAID: "exactly one charge each, of the right amount",
    ProofVerdict.DECLINED: "by the bank: a normal answer",
    ProofVerdict.UNFINISHED: "accepted, neither paid nor declined",
}

SummaryRow = tuple[str, str, str, bool]  # Name, number, remark, and whether the number is as it should be.


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The result of one run. Durations are seconds."""

    proof: Proof
    lost_answers: LostAnswers
    figures: OutageFigures
    refused: int  # Customers who got an error: their order was not accepted.
    longest_answer: float  # That a customer waited for an answer.
    longest_charge: float  # From an order until it was finished.
    seconds: float  # The whole run.
    seed: int

    def as_document(self) -> dict[str, Any]:
        """For JSON. Amounts are minor units, by currency."""
        proof = self.proof
        return {
            "ok": proof.holds,
            "accepted": proof.accepted,
            **{verdict.value: proof.verdicts[verdict] for verdict in ProofVerdict},
            "amount_recorded": dict(proof.recorded),
            "amount_charged": dict(proof.charged),
            "refused": self.refused,
            "answers_lost": self.lost_answers.total,
            "found_by_look_up": self.lost_answers.found,
            "proven_absent_by_look_up": self.lost_answers.absent,
            **asdict(self.figures),
            "longest_answer_seconds": round(self.longest_answer, 3),
            "longest_charge_seconds": round(self.longest_charge, 3),
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "faults": [asdict(fault) for fault in proof.faults],
        }


def report_lines(report: DemoReport, width: int) -> list[Text]:
    """The report in ``width`` columns: the summary, remarks on it, the conclusion, and the faulty orders."""
    return [
        Text(""),
        *(_line(row) for row in _summary(report.proof)),
        Text(""),
        *(Text(fill(sentence, width)) for sentence in _remarks(report)),
        Text(""),
        _conclusion(report.proof),
        *(Text(line, "red") for line in _fault_lines(report.proof.faults)),
    ]


def _summary(proof: Proof) -> list[SummaryRow]:
    rows = [("accepted", f"{proof.accepted:,}", "by the customers' own record", True)]
    for verdict in ProofVerdict:
        number = proof.verdicts[verdict]
        if number or verdict in ALWAYS_SHOWN:
            good = number == 0 or not verdict.is_fault
            rows.append((_words(verdict), f"{number:,}", REMARKS.get(verdict, ""), good))
    charged, recorded = _money(proof.charged), _money(proof.recorded)
    if proof.recorded == proof.charged:
        return [*rows, ("amount", charged, "taken from cards, and recorded by Breakwall", True)]
    rows.append(("amount", charged, "taken from cards", False))
    return [*rows, ("recorded", recorded, "by Breakwall, another amount", False)]


def _line(row: SummaryRow) -> Text:
    name, number, remark, good = row
    style = "bold green" if good else "bold red"
    return Text.assemble(f"  {name:<14}", (f"{number:>12}", style), (f"   {remark}" if remark else "", "dim"))


def _remarks(report: DemoReport) -> list[str]:
    lost = report.lost_answers
    remarks = [
        f"{count(lost.total, 'answer')} of the payment service got lost. Breakwall asked it about each of these "
        f"orders before it charged again: {lost.found} had been charged and were not charged again, "
        f"{lost.absent} had not been charged.",
        f"At most {count(report.figures.most_waiting, 'order')} waited at the same time, the longest for "
        f"{duration(report.longest_charge)}. No customer waited longer than {report.longest_answer:.2f} s for an "
        "answer.",
    ]
    if report.refused:
        remarks.append(f"{count(report.refused, 'customer')} got an error, and can safely order again.")
    return remarks


def _conclusion(proof: Proof) -> Text:
    if proof.holds:
        return Text("Nothing was lost, nothing was charged twice.", "bold green")
    if not proof.accepted:
        return Text("No order was accepted, so nothing is proven.", "bold red")
    return Text(f"The proof fails: {count(len(proof.faults), 'order')} not as acknowledged.", "bold red")


def _fault_lines(faults: Sequence[OrderFault]) -> list[str]:
    lines = [
        f"  order {fault.order_id} ({fault.key or 'no customer ordered it'}): {_words(fault.verdict)}: {fault.detail}"
        for fault in faults[:MOST_SHOWN]
    ]
    more = len(faults) - MOST_SHOWN
    return lines + ([f"  and {more:,} more, in report.json"] if more > 0 else [])


def _words(verdict: ProofVerdict) -> str:
    return verdict.value.replace("_", " ")


def _money(sums: Mapping[str, int]) -> str:
    return " + ".join(show_money(amount, currency) for currency, amount in sorted(sums.items())) or "nothing"
