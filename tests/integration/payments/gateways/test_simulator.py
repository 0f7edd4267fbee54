"""The HTTP gateway and the simulator, written apart, speak the same protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.payments.gateways import Advice, ChargeRequest, LookupResult, Outcome
from breakwall.payments.gateways.http import HttpGateway
from breakwall.simulator.client import SimulatorControl
from breakwall.simulator.server import Simulator
from tests.integration.gateway_fixtures import ORDER, charge, gateway_to, within


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    simulator = Simulator(host="127.0.0.1", port=0, control_port=0, charge_book=tmp_path / "charges.db")
    yield simulator
    simulator.close()


@pytest.fixture
def gateway(simulator: Simulator) -> Iterator[HttpGateway]:
    with gateway_to(simulator.url) as gateway:
        yield gateway


@pytest.fixture
def control(simulator: Simulator) -> SimulatorControl:
    return SimulatorControl(simulator.control_url)


def look_up(gateway: HttpGateway, key: str = ORDER.idempotency_key) -> LookupResult:
    return gateway.look_up(key, deadline=time.monotonic() + 5).result


def test_an_order_is_charged_once_and_found_again(gateway: HttpGateway, control: SimulatorControl) -> None:
    assert look_up(gateway) is LookupResult.ABSENT
    first, second = charge(gateway), charge(gateway)
    assert (first.outcome, first.charge_id) == (Outcome.SUCCEEDED, second.charge_id)
    assert look_up(gateway) is LookupResult.SUCCEEDED
    (booked,) = control.ledger()
    assert (booked["order_id"], booked["amount"], booked["currency"]) == ("o-1", 10_000, "KRW")


@pytest.mark.parametrize("key", ["주문 17/3", "a%2Fb", "..", "?#"])
def test_any_key_is_found_by_the_lookup(gateway: HttpGateway, control: SimulatorControl, key: str) -> None:
    charge(gateway, order=ChargeRequest("o", "u", 1, "KRW", key))
    assert look_up(gateway, key) is LookupResult.SUCCEEDED
    assert len(control.ledger()) == 1


def test_a_decline_is_declined_also_when_looked_up(gateway: HttpGateway, control: SimulatorControl) -> None:
    control.set_faults(decline_rate=1)
    assert (charge(gateway).outcome, charge(gateway).code) == (Outcome.DECLINED, "card_declined")
    assert look_up(gateway) is LookupResult.DECLINED


def test_another_payload_under_the_same_key_goes_to_a_person(gateway: HttpGateway) -> None:
    charge(gateway)
    assert charge(gateway, order=ChargeRequest("o-1", "u-1", 1, "KRW", "cart-17")).advice is Advice.REVIEW


@pytest.mark.parametrize("how", ["reset", "error", "hang"])
def test_charged_without_a_good_answer_is_unknown_until_looked_up(
    gateway: HttpGateway, control: SimulatorControl, how: str
) -> None:
    control.set_faults(charge_then_fail=1, charge_then_fail_how=how)
    assert charge(gateway, 0.5).outcome is Outcome.UNKNOWN
    found = gateway.look_up(ORDER.idempotency_key, deadline=time.monotonic() + 5)
    assert found.charge_id == control.ledger()[0]["charge_id"]


@pytest.mark.parametrize(
    "fault", [{"garbage": 1}, {"drip": 1}, {"hang": 1}, {"latency": 5}, {"error_rate": 1}]
)
def test_every_fault_ends_as_unknown_in_time(
    gateway: HttpGateway, control: SimulatorControl, fault: dict[str, float]
) -> None:
    control.set_faults(**fault)
    seen = within(0.4, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert seen.outcome is Outcome.UNKNOWN


def test_down_is_not_sent_and_throttled_is_throttled(gateway: HttpGateway, control: SimulatorControl) -> None:
    charge(gateway)  # leaves a kept connection, which going down cuts
    control.set_faults(down=True)
    assert charge(gateway).outcome is Outcome.NOT_SENT
    control.set_faults(down=False, throttle={"retry_after": 7})
    seen = charge(gateway)
    assert (seen.outcome, seen.retry_after) == (Outcome.THROTTLED, 7)
