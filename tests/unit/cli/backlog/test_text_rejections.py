"""What an operator reads of a backlog that waits for other settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import BreakerStatus, Override, OverrideMode
from breakwall.cli.backlog.text import backlog_fields, one_line, verdict
from breakwall.monitor.backlog import Rejected
from tests.unit.monitor.backlog_looks import OPEN, QUIET

EXAMPLE = "http_401: It did not accept our credentials, look at the password in BREAKWALL_PAYMENT_URL."
REJECTED = replace(
    QUIET, queued=1284, oldest_age_seconds=725.0, next_due_seconds=18.0, rejected=Rejected(1270, EXAMPLE)
)
FORCED = Override(OverrideMode.FORCED_CLOSED, "why", "ana", 900.0, None)


def test_the_verdict_says_what_is_wrong_and_what_to_do() -> None:
    assert verdict(REJECTED) == (
        "1,284 orders wait, the oldest for 12 min. The circuit is [green]closed[/]: payments are tried. "
        "[bold red]The payment service rejected 1,270 orders when they were last tried[/]: "
        "check BREAKWALL_PAYMENT_URL, run breakwall doctor."
    )


def test_one_rejected_order_is_told_as_one() -> None:
    told = verdict(replace(REJECTED, rejected=Rejected(1, EXAMPLE)))
    assert "The payment service rejected 1 order when it was last tried" in told


@pytest.mark.parametrize(
    ("breaker", "circuit"),
    [
        (OPEN, "no payment is tried; the next in 18 s."),
        (replace(OPEN, override=FORCED), "every payment is tried; its own state is [bold red]open[/]."),
    ],
)
def test_the_verdict_adds_it_to_whatever_the_circuit_does(breaker: BreakerStatus, circuit: str) -> None:
    told = verdict(replace(REJECTED, breaker=breaker))
    assert f"{circuit} [bold red]The payment service rejected 1,270 orders" in told


def test_rejected_orders_need_a_person_and_come_with_an_example() -> None:
    fields = backlog_fields(REJECTED)
    assert fields["needs a person"] == "[bold red]1,270 rejected, 0 in review, 0 dead[/]"
    assert fields["rejected"] == f"1,270 orders, for example {EXAMPLE}"


def test_a_line_for_a_log_counts_them() -> None:
    assert one_line(REJECTED).endswith("breaker closed  rejected 1270")


def test_without_a_rejected_order_nothing_is_said_of_any() -> None:
    seen = replace(REJECTED, rejected=Rejected())
    assert "rejected" not in verdict(seen) + one_line(seen)
    assert "rejected" not in backlog_fields(seen)
    assert backlog_fields(seen)["needs a person"] == "none"
