"""Whether a key charges twice after a cut, with a proxy whose cuts take no connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest
from breakwall.payments.gateways.fault_proxy import Delivery, Fault, FaultProxy
from breakwall.rehearsal.cuts import (
    CUT_ANSWER,
    CUT_FOUND,
    CUT_REQUEST,
    LATE,
    LATE_FOUND,
    REPEATED,
    ask_after_cuts,
    ask_for_a_late_arrival,
    ask_for_repeats,
)
from breakwall.rehearsal.measurements import Measurement, Verdict
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.sandbox import RehearsalLimits
from tests.unit.rehearsal.doubles import BROKE_DOWN, PROFILE, ServiceDouble, sandbox_of


@dataclass
class CutService(ServiceDouble):
    """A service behind `ProxyDouble`. ``charges_halves``: half of a request is enough for it."""

    charges_halves: bool = False
    keeps_only_answered: bool = False  # It forgets the key of an answer that did not get out.
    cut_delay: float = 0.0  # Seconds after which such a charge is found.
    loses_cut: bool = False  # It is down while requests are cut.
    cut: Fault | Delivery | None = None

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        match self.cut:
            case Fault.RESET | Delivery.LATE:
                if not self.loses_cut:
                    super().charge(request, deadline=deadline)
                    self._forget_the_cut()
                return BROKE_DOWN
            case Delivery.HALF:
                if self.charges_halves:
                    super().charge(request, deadline=deadline)
                return BROKE_DOWN
            case Delivery.TWICE:
                super().charge(request, deadline=deadline)
        return super().charge(request, deadline=deadline)

    def _forget_the_cut(self) -> None:
        if self.keeps_only_answered:
            self.deduplicates = False
            self.booked[-1].at += self.cut_delay


@dataclass
class ProxyDouble:
    service: CutService
    received: int = 1
    cuts: bool = field(default=True)
    tunnels: int = 0
    repeated: int = 0
    repeats: bool = True

    @contextmanager
    def failing(self, fault: Fault | Delivery) -> Iterator[None]:
        self.service.cut = fault if self.cuts else None
        self.repeated += self.repeats and fault is Delivery.TWICE
        yield
        self.service.cut = None

    delivering = failing


def measured(
    service: CutService, *, received: int = 1, cuts: bool = True, tunnels: int = 0, repeats: bool = True
) -> dict[str, Measurement]:
    """What is measured, by question. The look-up was tried before, as in a rehearsal."""
    sandbox = sandbox_of(service, RehearsalLimits(seconds=1000))
    sandbox.proxy = cast("FaultProxy", ProxyDouble(service, received, cuts, tunnels, repeats=repeats))
    sandbox.finds = service.find("k") == "k"
    promises = Promises(service.profile)
    found = [
        *ask_after_cuts(sandbox, promises),
        *ask_for_a_late_arrival(sandbox, promises),
        *ask_for_repeats(sandbox, promises),
    ]
    return {one.question: one for one in found}


def verdicts(found: dict[str, Measurement]) -> list[Verdict]:
    assert found[LATE].verdict is found[CUT_ANSWER].verdict
    return [found[question].verdict for question in (CUT_ANSWER, CUT_REQUEST, REPEATED)]


def test_a_service_that_deduplicates_holds() -> None:
    assert verdicts(measured(CutService())) == [Verdict.HOLDS] * 3


def test_a_service_that_charges_each_time_is_broken_after_a_cut_answer() -> None:
    found = measured(CutService(deduplicates=False))
    assert verdicts(found) == [Verdict.BROKEN, Verdict.HOLDS, Verdict.BROKEN]
    assert found[CUT_ANSWER].seen == found[REPEATED].seen == "2 charges"


def test_a_service_that_charges_for_half_a_request_is_broken() -> None:
    found = measured(CutService(deduplicates=False, charges_halves=True))
    assert found[CUT_REQUEST].verdict is Verdict.BROKEN


def test_a_cut_charge_that_no_look_up_finds_shows_nothing() -> None:
    found = measured(CutService(deduplicates=False, find=lambda key: "nothing"))
    assert found[CUT_ANSWER].verdict is Verdict.NOT_SHOWN
    assert found[CUT_ANSWER].seen.startswith("one charge, but the look-up did not find")
    assert (found[CUT_FOUND].verdict, found[CUT_FOUND].seen) == (Verdict.NOT_SHOWN, "never")


def test_a_cut_charge_that_is_found_later_than_others_is_still_waited_for() -> None:
    service = CutService(keeps_only_answered=True, cut_delay=40)
    found = measured(service)
    assert (found[CUT_ANSWER].verdict, found[CUT_ANSWER].seen) == (Verdict.BROKEN, "2 charges")
    assert found[CUT_FOUND].verdict is Verdict.BROKEN


def test_a_request_that_comes_late_is_found_and_repeated() -> None:
    found = measured(CutService(delay=7))
    assert (found[LATE].verdict, found[LATE_FOUND].verdict) == (Verdict.HOLDS, Verdict.HOLDS)
    assert found[LATE_FOUND].seen.startswith("after ")


def test_the_repeats_own_charge_does_not_stand_for_the_one_that_was_cut() -> None:
    """The service was down for a moment: nothing was charged before the repeat."""
    found = measured(CutService(loses_cut=True))
    assert found[CUT_ANSWER].verdict is Verdict.NOT_SHOWN
    assert found[CUT_REQUEST].verdict is Verdict.NOT_SHOWN


def test_what_is_found_no_more_after_the_repeat_shows_nothing() -> None:
    class Losing(CutService):
        def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
            if self.cut is None:
                self.find = lambda key: "nothing"
            return super().charge(request, deadline=deadline)

    found = measured(Losing())
    assert (found[CUT_FOUND].seen, found[CUT_ANSWER].verdict) == ("at once", Verdict.NOT_SHOWN)


def test_a_request_that_the_proxy_did_not_repeat_shows_nothing() -> None:
    found = measured(CutService(), repeats=False)[REPEATED]
    assert (found.verdict, found.seen) == (Verdict.NOT_SHOWN, "one charge, but it was not repeated")


def test_a_look_up_that_is_behind_is_waited_for() -> None:
    service = CutService(deduplicates=False, delay=7)
    found = measured(service)
    assert found[CUT_ANSWER].verdict is Verdict.BROKEN
    assert found[CUT_FOUND].seen.startswith("after ")


def test_what_could_not_be_cut_shows_nothing() -> None:
    found = measured(CutService(), cuts=False)
    assert (found[CUT_ANSWER].verdict, found[CUT_ANSWER].seen) == (
        Verdict.NOT_SHOWN,
        "one charge, but it could not be cut",
    )


@pytest.mark.parametrize(
    ("service", "received", "why"),
    [
        (CutService(), 0, "the gateway's calls go neither through PAYMENT_PROXY nor to PAYMENT_URL"),
        (
            CutService(replace(PROFILE, looks_up=False)),
            1,
            "without a look-up, the first charge cannot be seen",
        ),
    ],
)
def test_what_cannot_be_cut_or_seen_is_not_asked(service: CutService, received: int, why: str) -> None:
    found = measured(service, received=received)
    assert {(one.verdict, one.seen) for one in found.values()} == {(Verdict.NOT_ASKED, why)}
    assert service.booked == []


def test_encrypted_requests_are_cut_and_not_repeated() -> None:
    found = measured(CutService(), tunnels=1)
    assert verdicts(found) == [Verdict.HOLDS, Verdict.NOT_ASKED, Verdict.NOT_ASKED]
