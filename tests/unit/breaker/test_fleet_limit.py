"""The whole limit: real breakers on one store, and services that break under load. `fleet_simulation` is what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from breakwall.breaker import CallLimitError, CircuitBreaker, CircuitState, Limited
from breakwall.breaker.circuit import codec
from breakwall.breaker.circuit.limit import START
from breakwall.breaker.permit import LONGEST_RATE_PAUSE
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, events_of
from tests.unit.breaker.fleet_simulation import SCENARIOS, Result, Simulation, percentile


def simulated(name: str, **changes: Any) -> Result:
    return Simulation(replace(SCENARIOS[name], **changes), seed=1).run()


@pytest.mark.parametrize("name", ["collapse 12", "collapse 12, no outage before"])
def test_a_service_that_collapses_is_drained_within_twice_the_ideal_time(name: str) -> None:
    result = simulated(name)
    assert result.drained <= 2.0 * result.ideal
    assert result.openings == 0
    assert result.peak <= 1.3 * 12
    assert result.wasted <= 0.01 * result.calls


@pytest.mark.parametrize("name", ["collapse 12, live 10 %", "collapse 12, live, no outage"])
def test_live_calls_beside_it_are_as_quick_as_alone_and_most_are_sent(name: str) -> None:
    result = simulated(name, backlog=3000)
    assert result.openings == 0
    assert percentile(result.live, 0.9) <= 1.3 * 0.024
    assert result.live_queued <= 0.4 * result.live_orders


@pytest.mark.parametrize(
    "name",
    [
        "429 above 400/s",
        "429, no pause asked",
        "429 in windows",
        "429 in windows, 16 workers",
        "429 above 50/s",
    ],
)
def test_a_service_that_refuses_calls_above_its_rate_is_drained_at_nearly_that_rate(name: str) -> None:
    result = simulated(name)
    assert result.drained <= 1.5 * result.ideal
    assert result.throttled <= 0.02 * result.calls
    assert result.openings == 0


@pytest.mark.parametrize(
    "name",
    [
        "429 above 5/s",
        "429 above 5/s, 16 drains",
        "429 above 5/s in windows, 16",
        "429 above 1/s, 4 workers",
    ],
)
def test_a_service_of_few_calls_a_second_is_drained_however_many_workers_there_are(name: str) -> None:
    result = simulated(name, backlog=200)
    assert result.drained <= 1.7 * result.ideal
    assert result.throttled <= 0.2 * result.calls


def test_workers_under_an_operators_cap_have_their_turns_one_after_another() -> None:
    result = simulated("429 above 5/s, cap 4, 16 workers", backlog=200)
    assert result.drained <= 1.2 * result.ideal
    assert result.throttled <= 0.03 * result.calls


@pytest.mark.parametrize("seed", [1, 2])
def test_after_an_outage_a_healthy_service_with_a_heavy_tail_is_not_cut_down(seed: int) -> None:
    """The medians of few calls vary; their minimum must not make the usual ones look slow."""
    result = Simulation(replace(SCENARIOS["heavy tail after an outage"], backlog=2_000), seed).run()
    assert result.drained < 8 * result.ideal
    assert result.live_queued < result.live_orders / 2


def test_after_an_outage_a_service_of_which_a_part_still_hangs_is_soon_used_as_far_as_it_can_be() -> None:
    """Each of the 32 slots is stuck for 2 s after twenty calls, on average: that makes six times the ideal."""
    result = Simulation(replace(SCENARIOS["a twentieth is stuck after an outage"], backlog=2_000), 1).run()
    assert result.limit is None or result.limit > 32
    assert result.drained < 30 * result.ideal
    assert result.live_queued < 0.4 * result.live_orders


@pytest.mark.parametrize("name", ["well", "heavy tail", "second mode"])
def test_a_healthy_service_gets_no_limit(name: str) -> None:
    result = simulated(name, backlog=3000)
    assert result.limit is None
    assert result.live_queued <= 0.005 * result.live_orders


def closed_again(fleet: Fleet, **config: Any) -> CircuitBreaker:
    """A breaker of a circuit that has closed after an outage."""
    breaker = fleet.half_open(adaptive_limit=True, **config)
    breaker.acquire().record_success()
    assert breaker.status().state is CircuitState.CLOSED
    return breaker


def exchange(clock: MonotonicClock, *breakers: CircuitBreaker) -> None:
    clock.sleep(0.21)
    for breaker in breakers:
        breaker.status()


def test_after_an_opening_there_is_a_limit_and_the_background_asks_for_its_share(
    fleet: Fleet, clock: MonotonicClock
) -> None:
    breaker = closed_again(fleet)
    assert breaker.status().limit == START
    with pytest.raises(CallLimitError) as refused:
        breaker.acquire(background=True)
    assert refused.value.state is CircuitState.CLOSED
    exchange(clock, breaker)
    permits = [breaker.acquire(background=True) for _ in range(int(START))]
    with pytest.raises(CallLimitError):
        breaker.acquire(background=True)
    assert breaker.status().background_slots == 0
    permits[0].record_success()
    assert breaker.status().background_slots == 1


def test_a_process_that_never_asked_may_try_one(fleet: Fleet) -> None:
    assert closed_again(fleet).status().background_slots == 1


def test_a_live_call_above_the_limit_is_refused(fleet: Fleet) -> None:
    breaker = closed_again(fleet)
    for _ in range(int(START) + 1):
        breaker.acquire()
    with pytest.raises(CallLimitError, match="limit"):
        breaker.acquire()


def test_without_the_setting_an_opening_leaves_no_limit(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    breaker.acquire().record_success()
    assert breaker.status().limit is None
    assert [breaker.acquire(background=True) for _ in range(50)]


def test_two_processes_share_the_limit_and_know_what_the_other_has_in_hand(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    one = closed_again(fleet)
    other = fleet.breaker(adaptive_limit=True)
    exchange(clock, one, other)
    for breaker in (one, other):
        with pytest.raises(CallLimitError):
            breaker.acquire(background=True)
    exchange(clock, one, other, one)
    exchange(clock, one)
    held = [breaker.acquire(background=True) for breaker in (one, other)]
    for breaker in (one, other):
        with pytest.raises(CallLimitError):
            breaker.acquire(background=True)
    exchange(clock, one, other)
    exchange(clock, one)
    assert one.status().in_hand == 2
    assert held


def test_while_nothing_is_limited_nothing_more_is_stored(store: FaultyStore, clock: MonotonicClock) -> None:
    breaker = Fleet(clock, store).breaker(adaptive_limit=True)
    for number in range(100):
        with breaker.acquire(background=number % 2 == 0):
            clock.sleep(0.05)
    exchange(clock, breaker)
    assert '"li"' not in codec.encode(breaker._replica.circuit)


def test_an_idle_process_stores_nothing_while_there_is_a_limit(
    store: FaultyStore, clock: MonotonicClock
) -> None:
    fleet = Fleet(clock, store)
    closed_again(fleet)
    idle = fleet.breaker(adaptive_limit=True)
    exchange(clock, idle)
    swaps = store.swaps
    for _ in range(10):
        exchange(clock, idle)
    assert store.swaps == swaps


def test_while_the_store_is_lost_one_call_at_once_continues(
    store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = closed_again(Fleet(clock, store))
    with pytest.raises(CallLimitError):
        breaker.acquire(background=True)
    store.down = True
    exchange(clock, breaker)
    assert not breaker.status().store_ok
    breaker.acquire(background=True)
    with pytest.raises(CallLimitError):
        breaker.acquire(background=True)
    breaker.acquire()


def test_the_failures_of_an_older_epoch_do_not_open_the_circuit(
    store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = closed_again(Fleet(clock, store))
    old = [breaker.acquire() for _ in range(3)]
    exchange(clock, breaker)
    known = codec.decode(store.load("payment").text or "")
    assert known is not None
    assert known.limit is not None
    store.overwrite(codec.encode(replace(known, limit=replace(known.limit, epoch=1))))
    exchange(clock, breaker)
    for permit in old:
        permit.record_failure()
    assert breaker.status().state is CircuitState.CLOSED
    fail_times_by_permit(breaker, 3)
    assert breaker.status().state is CircuitState.OPEN


def fail_times_by_permit(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.acquire().record_failure()


Start = Callable[..., CircuitBreaker]


def test_a_refusal_for_the_rate_pauses_the_background_and_no_live_call(
    fleet: Fleet, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker(adaptive_limit=True)
    for _ in range(20):
        breaker.acquire(background=True).record_success()
        clock.sleep(0.01)
    breaker.acquire(background=True).record_throttled(1.0)
    with pytest.raises(CallLimitError, match="a second") as refused:
        breaker.acquire(background=True)
    assert refused.value.retry_after == pytest.approx(1.0)
    assert breaker.status().background_slots == 0
    breaker.acquire().record_success()
    assert breaker.status().state is CircuitState.CLOSED
    exchange(clock, breaker)
    rate = breaker.status().rate
    assert rate is not None
    assert 15 < rate < 20
    clock.sleep(1.0)
    breaker.acquire(background=True).record_success()


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_long_pause_opens_the_circuit(fleet: Fleet, *, adaptive: bool) -> None:
    breaker = fleet.breaker(adaptive_limit=adaptive)
    breaker.acquire().record_throttled(LONGEST_RATE_PAUSE + 1 if adaptive else 1.0)
    assert breaker.status().state is CircuitState.OPEN


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_refusal_without_a_pause_opens_nothing(fleet: Fleet, *, adaptive: bool) -> None:
    breaker = fleet.breaker(adaptive_limit=adaptive)
    for _ in range(10):
        breaker.acquire().record_throttled()
    assert breaker.status().state is CircuitState.CLOSED


def test_an_operators_cap_holds_for_all_processes(store: FaultyStore, clock: MonotonicClock) -> None:
    fleet = Fleet(clock, store)
    breakers = fleet.breakers(2, adaptive_limit=True)
    for breaker in breakers:
        breaker.cap_background_rate(10.0)
    started = 0
    for _ in range(1000):
        clock.sleep(0.01)
        for breaker in breakers:
            breaker.acquire().record_success()
            try:
                breaker.acquire(background=True).record_success()
            except CallLimitError:
                continue
            started += 1
    assert 80 <= started <= 125
    assert breakers[0].status().rate == 10.0
    breakers[0].cap_background_rate(None)
    assert breakers[0].status().rate is None


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_cap_that_is_no_rate_is_refused(fleet: Fleet, rate: float) -> None:
    with pytest.raises(ValueError, match="per_second"):
        fleet.breaker(adaptive_limit=True).cap_background_rate(rate)


def test_a_clock_that_steps_back_does_not_keep_the_limit_for_an_hour(
    store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = closed_again(Fleet(clock, store))
    store.step = -3600.0
    for _ in range(100):
        exchange(clock, breaker)
        breaker.acquire().record_success()
    assert breaker.status().limit is None


def test_the_begin_and_the_end_of_a_limit_are_reported(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.half_open(adaptive_limit=True)
    events = events_of(breaker)
    breaker.acquire().record_success()
    for _ in range(100):
        exchange(clock, breaker)
        breaker.acquire().record_success()
    assert [event for event in events if isinstance(event, Limited)] == [
        Limited("payment", int(START)),
        Limited("payment", None),
    ]
