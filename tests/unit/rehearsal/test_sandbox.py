"""The one place that calls: bounded, and patient with a service that asks for a pause."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, Outcome
from breakwall.rehearsal.sandbox import IN_A_ROW, LimitReachedError, NoChargeError, RehearsalLimits
from tests.unit.rehearsal.doubles import (
    BROKE_DOWN,
    BUSY,
    NOTHING,
    PROFILE,
    RUNNING,
    TERMS,
    PreparingDouble,
    ServiceDouble,
    sandbox_of,
)


def test_no_charge_beyond_the_limit_is_sent() -> None:
    service = ServiceDouble(deduplicates=False)
    sandbox = sandbox_of(service, RehearsalLimits(charges=2))
    for _ in range(2):
        sandbox.charge(sandbox.requests.new())
    with pytest.raises(LimitReachedError, match="2 charges were tried"):
        sandbox.charge(sandbox.requests.new())
    assert len(service.booked) == 2


def test_a_request_counts_also_if_the_service_says_that_it_charged_nothing() -> None:
    service = ServiceDouble(next=[NOTHING])
    sandbox = sandbox_of(service, RehearsalLimits(charges=1))
    sandbox.charge(sandbox.requests.new())
    with pytest.raises(LimitReachedError):
        sandbox.charge(sandbox.requests.new())


def test_a_request_that_is_delivered_twice_counts_twice() -> None:
    sandbox = sandbox_of(ServiceDouble(), RehearsalLimits(charges=1))
    with pytest.raises(LimitReachedError):
        sandbox.charge(sandbox.requests.new(), deliveries=2)


def test_after_its_time_nothing_is_sent() -> None:
    service = ServiceDouble()
    sandbox = sandbox_of(service, RehearsalLimits(seconds=10))
    sandbox.wait(60)
    assert service.clock.now == 110, "it does not wait past its end"
    with pytest.raises(LimitReachedError, match="10 s were over"):
        sandbox.charge(sandbox.requests.new())
    assert service.booked == []


def test_after_its_time_nothing_is_looked_up_or_prepared_either() -> None:
    sandbox = sandbox_of(PreparingDouble(replace(PROFILE, prepares=True)), RehearsalLimits(seconds=10))
    request = sandbox.requests.new()
    sandbox.wait(60)
    for ask in (sandbox.ready, lambda: sandbox.look_up(request), lambda: sandbox.cancel(request)):
        with pytest.raises(LimitReachedError):
            ask()


def test_a_code_that_repeats_the_payment_method_is_not_shown() -> None:
    refused = replace(BROKE_DOWN, code=f"no_{TERMS.payment_method}")
    sandbox = sandbox_of(ServiceDouble(next=[refused]))
    assert TERMS.payment_method not in str(sandbox.charge(sandbox.requests.new()).code)


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    service = ServiceDouble(next=[BUSY, BUSY])
    sandbox = sandbox_of(service)
    assert sandbox.charge(sandbox.requests.new()).outcome is Outcome.SUCCEEDED
    assert service.clock.now == 104


def test_a_service_that_is_always_busy_is_asked_four_times() -> None:
    service = ServiceDouble(next=[BUSY] * 9)
    sandbox = sandbox_of(service)
    assert sandbox.charge(sandbox.requests.new()).outcome is Outcome.THROTTLED
    assert len(service.next) == 5


def test_a_charge_that_is_still_running_is_awaited() -> None:
    service = ServiceDouble(next=[RUNNING, RUNNING])
    sandbox = sandbox_of(service)
    assert sandbox.charge(sandbox.requests.new()).outcome is Outcome.SUCCEEDED
    assert service.clock.now == 102


def test_a_charge_is_found_from_when_on_it_is_found_each_time() -> None:
    """Two servers that take turns may find it, and then not."""
    service = ServiceDouble()
    sandbox = sandbox_of(service)
    request = sandbox.requests.new()
    sandbox.charge(request)
    answers = iter([True, True, False, True, True, True])
    service.find = lambda key: key if next(answers) else "another"
    found = sandbox.search(request)
    assert found.seconds == 0.75
    assert IN_A_ROW == 3


def test_a_charge_that_is_not_found_is_searched_for_longer_than_absence_is_not_trusted() -> None:
    service = ServiceDouble(delay=1_000_000)
    sandbox = sandbox_of(service)
    request = sandbox.requests.new()
    sandbox.charge(request)
    assert sandbox.search(request).seconds is None
    assert service.clock.now == 160
    sandbox.finds = False
    sandbox.search(request)
    assert service.clock.now == 160, "no second wait for a look-up that finds nothing"


def test_a_lost_first_charge_is_looked_up_for_the_list() -> None:
    class Lossy(ServiceDouble):
        def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
            super().charge(request, deadline=deadline)
            return BROKE_DOWN

    sandbox = sandbox_of(Lossy())
    with pytest.raises(NoChargeError):
        sandbox.paid(sandbox.requests.new())
    assert [charge.charge_id for charge in sandbox.charges.all()] == ["ch_1"]
