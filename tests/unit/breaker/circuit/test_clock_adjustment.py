"""A store whose clock steps back: set by hand, or another machine's after a failover."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from breakwall.breaker import CircuitBreakerError, CircuitState
from breakwall.breaker.circuit.clock_adjustment import adjusted, shifted
from breakwall.breaker.circuit.fleet_limit import FleetLimit, ProcessLoad
from breakwall.breaker.circuit.state import Circuit, LastReset, Lease, Override, OverrideMode
from breakwall.breaker.circuit.window import Window
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import EPOCH, FaultyStore, Fleet, answer, fail, fail_times, succeed_times

HOUR = 3600.0


def test_an_open_circuit_is_not_held_for_longer(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker, other = fleet.breakers(2)
    fail_times(breaker, 3)
    store.step = -HOUR
    clock.sleep(1)
    assert 0 < breaker.status().retry_after <= 30
    clock.sleep(30)
    assert other.call(answer) == "answer"
    assert breaker.status().state is CircuitState.CLOSED


def test_nor_does_it_end_sooner(fleet: Fleet, store: FaultyStore, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    store.step = -HOUR
    clock.sleep(29)
    with pytest.raises(CircuitBreakerError):
        breaker.call(answer)


def test_the_first_to_see_it_writes_it_down_once(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker, other = fleet.breakers(2)
    fail_times(breaker, 3)
    store.step = -HOUR
    clock.sleep(1)
    breaker.status()
    swaps = store.swaps
    for _ in range(10):
        clock.sleep(1)
        breaker.status()
        other.status()
    assert store.swaps == swaps


def test_a_probers_lease_still_ends(fleet: Fleet, store: FaultyStore, clock: MonotonicClock) -> None:
    killed, other = fleet.half_open_breakers(2)
    killed.acquire()
    store.step = -HOUR
    clock.sleep(1)
    assert other.status().slots == 0
    clock.sleep(killed.config.lease_seconds)
    assert other.status().slots == 1


def test_the_window_keeps_its_outcomes_and_continues_to_slide(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 2)
    store.step = -HOUR
    clock.sleep(1)
    assert breaker.status().failure_count == 2
    clock.sleep(61)
    assert breaker.status().failure_count == 0


def test_a_service_that_fails_later_is_noticed_as_soon_as_ever(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    for _ in range(100):
        succeed_times(breaker, 10)
        clock.sleep(0.3)
    store.step = -HOUR
    for _ in range(100):
        succeed_times(breaker, 1)
        clock.sleep(3.6)
    failures = 0
    while breaker.status().state is CircuitState.CLOSED and failures < 1000:
        breaker.call(fail, fallback="failed")
        failures += 1
        clock.sleep(0.3)
    assert failures <= 20


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_an_override_lasts_as_long_as_the_operator_said_although_the_store_is_another_one(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock, step: float
) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 1)
    breaker.force_open("maintenance", "kim", seconds=600)
    store.wipe()
    store.step = step
    clock.sleep(1)
    assert breaker.status().retry_after == pytest.approx(599)


def test_processes_that_are_behind_by_what_an_answer_takes_move_no_times() -> None:
    circuit = Circuit(CircuitState.OPEN, open_until=EPOCH + 30, written_at=EPOCH)
    assert adjusted(circuit, EPOCH - 0.9) is circuit
    assert adjusted(circuit, EPOCH - 1.1).open_until == pytest.approx(EPOCH + 28.9)


def test_an_override_outlasts_a_step_of_the_same_stores_clock_by_no_more_than_it_had_left(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    breaker.force_open("maintenance", "kim", seconds=600)
    store.step = -HOUR
    clock.sleep(1)
    assert 590 <= breaker.status().retry_after <= 600


def times(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if "float" in str(field.type)]


# A circuit gets a new time of writing with each swap.
@pytest.mark.parametrize("name", sorted({*times(Circuit)} - {"written_at"}))
def test_every_time_of_a_circuit_is_moved(name: str) -> None:
    assert getattr(shifted(replace(Circuit(), **{name: 100.0}), 10), name) == 110


@pytest.mark.parametrize("name", [name for name in times(FleetLimit) if name.endswith(("_at", "_until"))])
def test_every_time_of_a_limit_is_moved(name: str) -> None:
    limit = FleetLimit(processes=(ProcessLoad("a", 100.0),), **{name: 100.0})  # type: ignore[arg-type]  # a time
    moved = shifted(Circuit(limit=limit), 10).limit
    assert moved is not None
    assert (getattr(moved, name), moved.processes[0].at) == (110, 110)


@pytest.mark.parametrize("name", times(Override))
def test_every_time_of_an_override_is_moved(name: str) -> None:
    override = replace(Override(OverrideMode.OBSERVING, "trial", "kim", 100.0), **{name: 100.0})
    assert getattr(shifted(Circuit(override=override), 10).override, name) == 110


def test_the_time_of_a_reset_is_moved() -> None:
    assert shifted(Circuit(last_reset=LastReset(1, 100.0)), 10).last_reset == LastReset(1, 110.0)
    assert times(LastReset) == ["at"]


@pytest.mark.parametrize("name", times(Window))
def test_every_time_of_a_window_is_moved(name: str) -> None:
    assert getattr(shifted(Circuit(window=replace(Window(), **{name: 100.0})), 10).window, name) == 110


def test_every_time_of_a_lease_is_moved() -> None:
    assert shifted(Circuit(leases=(Lease("a", 100.0),)), 10).leases == (Lease("a", 110.0),)
    assert times(Lease) == ["expires_at"]
