"""The report says what holds, and what does not it says of which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakwall.demo.reconciliation import Fault, Reconciliation, Verdict
from breakwall.demo.report import SHOWN, Report, report_lines
from breakwall.demo.snapshot import LookUps
from breakwall.demo.timeline import Course


def report(
    verdicts: Mapping[Verdict, int] | None = None, faults: list[Fault] | None = None, **changed: Any
) -> Report:
    counted = verdicts or {Verdict.PAID: 95, Verdict.DECLINED: 5}
    values: dict[str, Any] = {
        "result": Reconciliation(
            sum(counted.values()), counted, {"KRW": 5000}, {"KRW": changed.pop("charged", 5000)}, faults or []
        ),
        "look_ups": LookUps(found=3, absent=1),
        "course": Course(most_waiting=40, came_while_open=30, calls_while_open=4, worker_killed=True),
        "refused": 0,
        "longest_answer": 0.31,
        "longest_charge": 14.2,
        "seconds": 33.3,
        "seed": 1,
    }
    return Report(**{**values, **changed})


def lost(number: int) -> Fault:
    return Fault(f"order-{number}", f"cart-{number}", Verdict.LOST, "accepted, and not in the database")


def text(shown: Report, width: int = 80) -> str:
    return "\n".join(line.plain for line in report_lines(shown, width))


def test_a_proof_that_holds_says_so() -> None:
    assert report().holds
    assert "Nothing was lost, nothing was charged twice." in text(report())


def test_lost_and_charged_twice_are_always_there() -> None:
    lines = [line.split() for line in text(report()).splitlines()]
    assert ["lost", "0"] in lines
    assert ["charged", "twice", "0"] in lines


def test_an_order_at_fault_is_named_with_its_fault() -> None:
    broken = report({Verdict.PAID: 99, Verdict.LOST: 1}, [lost(7)])
    assert not broken.holds
    assert "The proof fails: 1 order not as promised." in text(broken)
    assert "order-7 (cart-7): lost: accepted, and not in the database" in text(broken)


def test_a_long_list_of_faults_is_cut_and_the_rest_counted() -> None:
    broken = report({Verdict.LOST: 50}, [lost(number) for number in range(50)])
    assert text(broken).count("lost: accepted") == SHOWN
    assert "and 30 more, in report.json" in text(broken)
    assert len(broken.as_document()["faults"]) == 50


def test_sums_that_differ_fail_the_proof_and_are_both_shown() -> None:
    broken = report(charged=4000)
    assert not broken.holds
    assert "₩4,000" in text(broken)
    assert "₩5,000" in text(broken)


def test_an_unfinished_order_is_only_spoken_of_where_there_is_one() -> None:
    assert "unfinished" not in text(report())
    assert "unfinished" in text(report({Verdict.UNFINISHED: 2}, [lost(1)]))


def test_customers_who_got_an_error_are_not_passed_over() -> None:
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
