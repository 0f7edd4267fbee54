"""What is said of an order that was sent round: only what is true of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.cli.orders.next_step import outlook, what_of_doubt
from breakwall.payments.decisions import Progress, Step
from breakwall.payments.gateways import GatewayProfile

PLAIN = GatewayProfile(deduplicates=False, key_life=0.0, looks_up=True, settle_seconds=30.0)


def said(
    step: Step, progress: Progress | None = None, *, renewed: bool = False, vouched_for: bool = False
) -> str:
    return outlook(step, progress or Progress(), renewed=renewed, vouched_for=vouched_for)


@pytest.mark.parametrize("step", [Step.REVIEW, Step.CANCEL, Step.DECLINE])
def test_where_nothing_is_sent_that_is_said(step: Step) -> None:
    assert "sends nothing" in said(step) or "nothing is sent" in said(step)


def test_that_it_keeps_its_key_is_said_only_where_it_does() -> None:
    assert "keeps its key" in said(Step.LOOK_UP)
    assert "keeps its key" not in said(Step.LOOK_UP, renewed=True)
    assert "keeps its key" in said(Step.SEND)
    assert "keeps its key" not in said(Step.SEND, renewed=True)
    assert "keeps its key" not in said(Step.SEND, renewed=True, vouched_for=True)


def test_that_no_attempt_is_in_doubt_is_said_only_where_none_is() -> None:
    assert "none of its attempts is in doubt" in said(Step.SEND)
    assert "in doubt" not in said(Step.SEND, Progress(unsettled=True))


def test_of_many_only_what_the_service_promises_is_said() -> None:
    assert what_of_doubt(PLAIN) == "is looked up before anything is sent"
    assert "promised not to charge twice" in what_of_doubt(replace(PLAIN, deduplicates=True))
    assert "looked up" not in what_of_doubt(replace(PLAIN, looks_up=False))
