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

# A line of the account: name, number, remark, and whether it is as it should be.
AccountRow = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class DemoReport:
    """How the run ended.

    Attributes:
        proof: the compared records.
        lost_answers: the charges whose answer was lost.
        figures: of the outage.
        refused: customers who were told that nothing was accepted.
        longest_answer: the most seconds that a customer waited for an answer.
        longest_charge: the most seconds from an order to its end.
        seconds: how long the demo took.
        seed: makes the same orders again.
    """

    proof: Proof
    lost_answers: LostAnswers
    figures: OutageFigures
    refused: int
    longest_answer: float
    longest_charge: float
    seconds: float
    seed: int

    def as_document(self) -> dict[str, Any]:
        """For JSON. Amounts are minor units, by currency."""
        proof = self.proof
        return {
            "ok": proof.holds,
            "accepted": proof.accepted,
            **{verdict.value: proof.count(verdict) for verdict in ProofVerdict},
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
    """The report in ``width`` columns: the account, remarks on it, the conclusion, and the faulty orders."""
    return [
        Text(""),
        *(_line(row) for row in _account(report.proof)),
        Text(""),
        *(Text(fill(sentence, width)) for sentence in _remarks(report)),
        Text(""),
        _conclusion(report.proof),
        *(Text(line, "red") for line in _fault_lines(report.proof.faults)),
    ]


def _account(proof: Proof) -> list[AccountRow]:
    rows = [
        ("accepted", f"{proof.accepted:,}", "by the customers' own record", True),
        ("paid", f"{proof.count(ProofVerdict.PAID):,}", "exactly one charge each, of the right amount", True),
        ("declined", f"{proof.count(ProofVerdict.DECLINED):,}", "by the bank: a normal answer", True),
        _fault_row(proof, ProofVerdict.LOST),
        _fault_row(proof, ProofVerdict.CHARGED_TWICE),
    ]
    others = [
        _fault_row(proof, ProofVerdict.WRONG_AMOUNT),
        _fault_row(proof, ProofVerdict.UNRECORDED),
        _fault_row(proof, ProofVerdict.UNFINISHED, "accepted, neither paid nor declined"),
    ]
    rows += [row for row in others if not row[3]]
    if proof.recorded == proof.charged:
        remark = "taken from cards, and recorded by Breakwall"
        return [*rows, ("amount", _money(proof.charged), remark, True)]
    return [
        *rows,
        ("amount", _money(proof.charged), "taken from cards", False),
        ("recorded", _money(proof.recorded), "by Breakwall, which is not the same", False),
    ]


def _fault_row(proof: Proof, verdict: ProofVerdict, remark: str = "") -> AccountRow:
    number = proof.count(verdict)
    return (_words(verdict), f"{number:,}", remark, number == 0)


def _line(row: AccountRow) -> Text:
    name, number, remark, good = row
    style = "bold green" if good else "bold red"
    return Text.assemble(f"  {name:<14}", (f"{number:>12}", style), (f"   {remark}" if remark else "", "dim"))


def _remarks(report: DemoReport) -> list[str]:
    lost = report.lost_answers
    remarks = [
        f"{count(lost.total, 'answer')} got lost on the way. Breakwall asked the payment service about each before "
        f"it charged: {lost.found} had been charged and were not charged again, {lost.absent} had not.",
        f"At most {count(report.figures.most_waiting, 'order')} waited at a time, the longest for "
        f"{duration(report.longest_charge)}. No customer waited longer than "
        f"{report.longest_answer:.2f} s for an answer.",
    ]
    if report.refused:
        remarks.append(f"{count(report.refused, 'customer')} got an error instead and may order again.")
    return remarks


def _conclusion(proof: Proof) -> Text:
    if proof.holds:
        return Text("Nothing was lost, nothing was charged twice.", "bold green")
    if not proof.accepted:
        return Text("No order was accepted, so nothing is proven.", "bold red")
    return Text(f"The proof fails: {count(len(proof.faults), 'order')} not as acknowledged.", "bold red")


def _fault_lines(faults: Sequence[OrderFault]) -> list[str]:
    lines = [
        f"  order {fault.order_id} ({fault.key or 'nobody ordered it'}): {_words(fault.verdict)}: {fault.detail}"
        for fault in faults[:MOST_SHOWN]
    ]
    more = len(faults) - MOST_SHOWN
    return lines + ([f"  and {more:,} more, in report.json"] if more > 0 else [])


def _words(verdict: ProofVerdict) -> str:
    return verdict.value.replace("_", " ")


def _money(sums: Mapping[str, int]) -> str:
    return " + ".join(show_money(amount, currency) for currency, amount in sorted(sums.items())) or "nothing"
