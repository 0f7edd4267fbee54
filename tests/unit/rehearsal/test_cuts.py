"""Whether a key charges twice after a cut, with a proxy whose cuts take no connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest
from breakwall.payments.gateways.fault_proxy import Delivery, Fault, FaultProxy
from breakwall.rehearsal.cuts import CUT_ANSWER, CUT_REQUEST, REPEATED, ask_after_cuts, ask_for_repeats
from breakwall.rehearsal.measurements import Measurement, Verdict
from breakwall.rehearsal.promises import Promises
from tests.unit.rehearsal.doubles import BROKE_DOWN, PROFILE, ServiceDouble, sandbox_of


@dataclass
class CutService(ServiceDouble):
    """A service behind `ProxyDouble`. ``charges_halves``: half of a request is enough for it."""

    charges_halves: bool = False
    cut: Fault | Delivery | None = None

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        match self.cut:
            case Fault.RESET:
                super().charge(request, deadline=deadline)
                return BROKE_DOWN
            case Delivery.HALF:
                if self.charges_halves:
                    super().charge(request, deadline=deadline)
                return BROKE_DOWN
            case Delivery.TWICE:
                super().charge(request, deadline=deadline)
        return super().charge(request, deadline=deadline)


@dataclass
class ProxyDouble:
    service: CutService
    received: int = 1
    cuts: bool = field(default=True)

    @contextmanager
    def failing(self, fault: Fault | Delivery) -> Iterator[None]:
        self.service.cut = fault if self.cuts else None
        yield
        self.service.cut = None

    delivering = failing


def measured(
    service: CutService, *, received: int = 1, cuts: bool = True, reads: bool = True
) -> dict[str, Measurement]:
    """What is measured, by question. The look-up was tried before, as in a rehearsal."""
    sandbox = sandbox_of(service)
    sandbox.proxy = cast("FaultProxy", ProxyDouble(service, received, cuts))
    sandbox._reads, sandbox.finds = reads, service.find("k") == "k"
    promises = Promises(service.profile)
    found = [*ask_after_cuts(sandbox, promises), *ask_for_repeats(sandbox, promises)]
    return {one.question: one for one in found}


def verdicts(found: dict[str, Measurement]) -> list[Verdict]:
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
    assert found[CUT_ANSWER].seen == "one charge, but its look-up does not find it"


def test_a_look_up_that_is_behind_is_waited_for() -> None:
    service = CutService(deduplicates=False, delay=7)
    found = measured(service)
    assert found[CUT_ANSWER].verdict is Verdict.BROKEN
    assert found["a charge whose answer was cut is found"].seen.startswith("after ")


def test_what_could_not_be_cut_shows_nothing() -> None:
    found = measured(CutService(), cuts=False)
    assert (found[CUT_ANSWER].verdict, found[CUT_ANSWER].seen) == (Verdict.NOT_SHOWN, "it could not be cut")


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
    found = measured(CutService(), reads=False)
    assert verdicts(found) == [Verdict.HOLDS, Verdict.HOLDS, Verdict.NOT_ASKED]
