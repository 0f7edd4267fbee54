"""The report says whether the proof holds, and names each order that is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from breakwall.demo.proof import OrderFault, Proof, ProofVerdict
from breakwall.demo.report import MOST_SHOWN, DemoReport, report_lines
from breakwall.demo.scenario import OutageFigures
from breakwall.demo.snapshot import LostAnswers


def report(
    verdicts: Mapping[ProofVerdict, int] | None = None,
    faults: list[OrderFault] | None = None,
    *,
    charged: int = 5000,
    refused: int = 0,
) -> DemoReport:
    verdicts = verdicts or {ProofVerdict.PAID: 95, ProofVerdict.DECLINED: 5}
    return DemoReport(
        proof=Proof(sum(verdicts.values()), Counter(verdicts), {"KRW": 5000}, {"KRW": charged}, faults or []),
        lost_answers=LostAnswers(found=3, absent=1),
        figures=OutageFigures(most_waiting=40, came_while_open=30, calls_while_open=4, worker_killed=True),
        refused=refused,
        longest_answer=0.31,
        longest_charge=14.2,
        seconds=33.3,
        seed=1,
    )


def lost(number: int) -> OrderFault:
    return OrderFault(
        f"order-{number}", f"cart-{number}", ProofVerdict.LOST, "accepted, but not in the database"
    )


def text(shown: DemoReport, width: int = 80) -> str:
    return "\n".join(line.plain for line in report_lines(shown, width))


def test_a_proof_that_holds_says_so() -> None:
    assert "Nothing was lost, nothing was charged twice." in text(report())


def test_lost_and_charged_twice_are_always_shown() -> None:
    lines = [line.split() for line in text(report()).splitlines()]
    assert ["lost", "0"] in lines
    assert ["charged", "twice", "0"] in lines


def test_a_faulty_order_is_named_with_its_fault() -> None:
    shown = text(report({ProofVerdict.PAID: 99, ProofVerdict.LOST: 1}, [lost(7)]))
    assert "The proof fails: 1 order not as acknowledged." in shown
    assert "order-7 (cart-7): lost: accepted, but not in the database" in shown


def test_a_long_list_of_faults_is_cut_and_the_rest_counted() -> None:
    broken = report({ProofVerdict.LOST: 50}, [lost(number) for number in range(50)])
    assert text(broken).count("lost: accepted") == MOST_SHOWN
    assert "and 30 more, in report.json" in text(broken)
    assert len(broken.as_document()["faults"]) == 50


def test_sums_that_differ_fail_the_proof_and_are_both_shown() -> None:
    broken = report(charged=4000)
    assert not broken.proof.holds
    assert "₩4,000" in text(broken)
    assert "₩5,000" in text(broken)


def test_unfinished_orders_are_shown_only_if_there_are_any() -> None:
    assert "unfinished" not in text(report())
    assert "unfinished" in text(report({ProofVerdict.UNFINISHED: 2}, [lost(1)]))


def test_customers_who_got_an_error_are_counted() -> None:
    assert "2 customers got an error" in text(report(refused=2))
    assert "error" not in text(report())


def test_the_report_fits_in_eighty_columns() -> None:
    assert max(map(len, text(report()).splitlines())) <= 80


def test_the_document_has_every_number() -> None:
    document = report().as_document()
    assert document["ok"] is True
    assert (document["accepted"], document["paid"], document["declined"]) == (100, 95, 5)
    assert (document["lost"], document["charged_twice"], document["unfinished"]) == (0, 0, 0)
    assert (document["answers_lost"], document["found_by_look_up"]) == (4, 3)
    assert document["calls_while_open"] == 4
    assert document["amount_charged"] == document["amount_recorded"] == {"KRW": 5000}
