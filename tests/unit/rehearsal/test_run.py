"""One question after the other, and what remains where it stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest
from breakwall.rehearsal.cuts import CUT_ANSWER
from breakwall.rehearsal.measurements import Measurement, Verdict
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.questions import Question, left_out, questions_for
from breakwall.rehearsal.run import NEEDED, Rehearsal
from breakwall.rehearsal.sandbox import RehearsalLimits, Sandbox
from tests.unit.rehearsal.doubles import (
    BROKE_DOWN,
    DECLINED,
    PROFILE,
    PreparingDouble,
    ServiceDouble,
    sandbox_of,
)

PREPARING = replace(PROFILE, looks_up=False, prepares=True, cancels=True)


def rehearsed(service: ServiceDouble, limits: RehearsalLimits | None = None, **options: int) -> Rehearsal:
    promises = Promises(service.profile)
    questions = questions_for(promises, **options)  # type: ignore[arg-type]
    rehearsal = Rehearsal(sandbox_of(service, limits), promises, questions)
    rehearsal.run()
    return rehearsal


@pytest.mark.parametrize("service", [ServiceDouble(), PreparingDouble(PREPARING)])
def test_a_service_that_does_what_is_promised_is_fine(service: ServiceDouble) -> None:
    rehearsal = rehearsed(service)
    assert rehearsal.ok
    assert len(rehearsal.charges) == len(service.booked)


def test_a_broken_promise_is_not() -> None:
    rehearsal = rehearsed(ServiceDouble(deduplicates=False))
    assert not rehearsal.ok
    assert (rehearsal.advised[0].name, rehearsal.advised[0].value) == (
        "BREAKWALL_PAYMENT_DEDUPLICATES",
        "false",
    )


@pytest.mark.parametrize(
    "service",
    [
        ServiceDouble(deduplicates=False),
        PreparingDouble(PREPARING, deduplicates=False),
        PreparingDouble(PREPARING, deduplicates=False, charges_cancelled=True),
    ],
)
def test_no_question_needs_more_charges_than_it_says(service: ServiceDouble) -> None:
    promises = Promises(service.profile)
    for question in questions_for(promises, burst=10):
        sandbox = sandbox_of(service)
        assert list(question.ask(sandbox, promises))
        assert sandbox._sent <= question.charges, question.name


@pytest.mark.parametrize("answer", [DECLINED, BROKE_DOWN])
def test_a_sandbox_that_does_not_charge_at_all_is_asked_nothing_more(answer: object) -> None:
    service = ServiceDouble(next=[answer] * 3)  # type: ignore[list-item]
    rehearsal = rehearsed(service)
    assert not rehearsal.ok
    assert rehearsal.refusal is not None
    assert rehearsal.refusal.startswith("The sandbox does not charge: ")
    assert len(service.next) == 2


def test_a_later_charge_that_fails_leaves_its_promise_unshown() -> None:
    service = ServiceDouble()
    rehearsal = rehearsed(service)
    service.next = [BROKE_DOWN]
    again = Rehearsal(rehearsal.sandbox, rehearsal.promises, rehearsal.questions)
    again.run()
    assert again.refusal is None
    assert [(one.question, one.verdict) for one in again.measurements if one.verdict.fails] == [
        ("repeat", Verdict.NOT_SHOWN)
    ]


def test_at_its_limit_it_says_what_was_not_asked() -> None:
    rehearsal = rehearsed(ServiceDouble(deduplicates=False), RehearsalLimits(charges=3))
    assert not rehearsal.ok
    unasked = [one for one in rehearsal.measurements if "3 charges were tried" in one.seen]
    assert {one.question for one in unasked} >= {"at-once", "amount", "keys", "declined"}


def test_what_was_measured_and_charged_until_ctrl_c_stays() -> None:
    service = ServiceDouble()

    def interrupted(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
        sandbox.charges.sending(ChargeRequest("o", "u", 1, "USD", "half-sent", "half-sent"))
        raise KeyboardInterrupt
        yield

    promises = Promises(PROFILE)
    questions = [*questions_for(promises)[:2], Question("never", 1, interrupted), *questions_for(promises)]
    rehearsal = Rehearsal(sandbox_of(service), promises, questions)
    rehearsal.run()
    assert (rehearsal.stopped, rehearsal.ok) == (True, False)
    assert len(rehearsal.measurements) == 2
    assert [charge.charge_id for charge in rehearsal.charges] == ["ch_1", None]
    assert rehearsal.advised == []


def test_a_question_that_did_not_end_was_not_asked() -> None:
    """The limit comes after the same key again: nothing is known about cuts, and no key is trusted."""
    rehearsal = rehearsed(ServiceDouble(replace(PROFILE, deduplicates=False)), RehearsalLimits(charges=6))
    assert "at-once" not in rehearsal._asked or "cut" in rehearsal._asked
    assert "amount" not in rehearsal._asked
    assert rehearsal.advised == [one for one in rehearsal.advised if "DEDUPLICATES" not in one.name]


@pytest.mark.parametrize(
    ("shown", "complete"),
    [({CUT_ANSWER: True}, True), ({CUT_ANSWER: None}, False), ({}, False)],
)
def test_no_key_is_trusted_unless_one_charge_was_shown_after_a_cut(
    shown: dict[str, bool | None], complete: bool
) -> None:
    promises = Promises(PROFILE)
    rehearsal = Rehearsal(sandbox_of(ServiceDouble()), promises, [])
    rehearsal._asked = set(NEEDED)
    rehearsal.measurements = [promises.about_repeats(name, "", value) for name, value in shown.items()]
    assert rehearsal._is_complete is complete
    rehearsal._asked = {"cut"}
    assert not rehearsal._is_complete


def test_an_error_of_a_gateway_ends_it_and_what_was_charged_stays() -> None:
    class Faulty(ServiceDouble):
        def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
            super().charge(request, deadline=deadline)
            raise RuntimeError("a fault of the gateway")

    rehearsal = Rehearsal(sandbox_of(Faulty()), Promises(PROFILE), questions_for(Promises(PROFILE)))
    with pytest.raises(RuntimeError):
        rehearsal.run()
    assert (rehearsal.stopped, rehearsal.ok) == (True, False)
    assert [charge.charge_id for charge in rehearsal.charges] == [None]


def test_what_was_left_out_has_a_line() -> None:
    assert left_out(["keys"], 0).keys() == {"keys", "burst"}
    rehearsal = Rehearsal(sandbox_of(ServiceDouble()), Promises(PROFILE), [], left_out=left_out(["keys"], 5))
    rehearsal.run()
    assert [(one.question, one.verdict) for one in rehearsal.measurements] == [("keys", Verdict.NOT_ASKED)]


def test_a_question_is_left_out_if_it_is_skipped() -> None:
    names = [question.name for question in questions_for(Promises(PROFILE), skip=["keys", "cut"])]
    assert not {"keys", "cut", "prepare", "burst"} & set(names)
