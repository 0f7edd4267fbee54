"""The doctor waits for no check for ever, and continues if a check fails."""

from __future__ import annotations

import threading

from breakwall.doctor.findings import Finding, fine, run_all
from tests.stopwatch import Stopwatch


def test_findings_come_in_the_order_of_the_checks() -> None:
    second = threading.Event()

    def slow() -> list[Finding]:
        assert second.wait(60)
        return [fine("first", "")]

    def quick() -> list[Finding]:
        second.set()
        return [fine("second", "")]

    found = run_all({"first": slow, "second": quick})
    assert [finding.name for finding in found] == ["first", "second"]


def test_a_check_that_hangs_is_a_problem_and_is_not_waited_for() -> None:
    forever = threading.Event()
    watch = Stopwatch()
    (finding,) = run_all({"broker": lambda: [Finding("broker", forever.wait(), "")]}, timeout=0.1)
    assert watch.seconds < 2
    assert (finding.name, finding.ok) == ("broker", False)
    assert "0.1 s" in finding.detail
    forever.set()


def test_a_check_that_fails_is_a_problem_without_the_errors_text() -> None:
    def failing() -> list[Finding]:
        raise ValueError("redis://u:geheim@h")

    (finding,) = run_all({"broker": failing})
    assert not finding.ok
    assert "ValueError" in finding.detail
    assert "geheim" not in f"{finding}"
