"""An operator's override, for the whole fleet."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerError,
    CircuitState,
    OverrideMode,
    Refusal,
    StoreLostError,
)
from breakwall.breaker.sync.store_protocol import StoredCircuit
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, events_of, fail_times, succeed_times


def test_forced_open_refuses_every_call_of_the_fleet(fleet: Fleet, clock: MonotonicClock) -> None:
    operator, worker = fleet.breakers(2)
    succeed_times(worker, 1)
    operator.force_open("maintenance", "kim")
    clock.sleep(0.2)
    with pytest.raises(CircuitBreakerError, match="maintenance") as refused:
        worker.call(answer)
    assert refused.value.reason == "maintenance"
    assert (worker.status().slots, worker.status().retry_after) == (0, 30.0)


def test_forced_open_refuses_on_the_spot_where_it_was_said(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 5)
    breaker.force_open("maintenance", "kim")
    assert breaker.call(answer, fallback="refused") == "refused"


def test_the_computed_state_stays_visible_beside_it(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.force_open("maintenance", "kim", seconds=60)
    status = breaker.status()
    assert status.state is CircuitState.CLOSED
    assert status.override is not None
    assert (status.override.mode, status.override.actor) == (OverrideMode.FORCED_OPEN, "kim")


def test_it_expires_for_all_processes(fleet: Fleet, clock: MonotonicClock) -> None:
    operator, worker = fleet.breakers(2)
    operator.force_open("maintenance", "kim", seconds=60)
    assert worker.status().retry_after == 60.0
    clock.sleep(60)
    assert worker.call(answer) == "answer"
    assert worker.status().override is None


@pytest.mark.parametrize("override", ["force_close", "observe"])
def test_forced_closed_and_observing_refuse_no_call_of_an_open_circuit(
    fleet: Fleet, clock: MonotonicClock, override: str
) -> None:
    operator, worker = fleet.breakers(2)
    fail_times(worker, 3)
    getattr(operator, override)("the alarm is false", "kim")
    clock.sleep(0.2)
    assert [worker.call(answer) for _ in range(5)] == ["answer"] * 5
    assert worker.status().state is CircuitState.OPEN
    assert (worker.status().slots, worker.status().retry_after) == (None, 0.0)


def test_while_observing_the_circuit_opens_and_recovers_as_it_would(
    fleet: Fleet, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    breaker.observe("a trial of the thresholds", "kim")
    fail_times(breaker, 3)
    assert breaker.status().state is CircuitState.OPEN
    clock.sleep(30)
    breaker.call(answer)
    assert breaker.status().state is CircuitState.CLOSED


def test_while_observing_listeners_hear_what_would_have_been_refused(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.observe("a trial of the thresholds", "kim")
    fail_times(breaker, 3)
    heard = events_of(breaker)
    breaker.call(answer)
    assert heard == [Refusal("payment", CircuitState.OPEN, pytest.approx(30.0), observed=True)]  # type: ignore[arg-type]
    assert breaker.metrics().rejected_calls == 0


def test_auto_lets_the_computed_state_decide_again(fleet: Fleet, clock: MonotonicClock) -> None:
    operator, worker = fleet.breakers(2)
    operator.force_open("maintenance", "kim")
    clock.sleep(0.2)
    assert worker.status().slots == 0
    operator.auto("kim")
    clock.sleep(0.2)
    assert worker.call(answer) == "answer"


def test_the_status_of_an_override_gives_no_permit(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.half_open()
    breaker.observe("a trial", "kim")
    for _ in range(10):
        clock.sleep(1)
        breaker.status()
    breaker.auto("kim")
    assert breaker.status().slots == 1


@pytest.mark.parametrize("seconds", [0.6, 1.1])
def test_an_override_arrives_although_the_store_answers_late_at_first(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """It makes its table on a busy machine."""
    late = iter([seconds])
    really = store.load

    def load(name: str) -> StoredCircuit:
        clock.sleep(next(late, 0.0))
        return really(name)

    monkeypatch.setattr(store, "load", load)
    fleet.breaker().force_open("maintenance", "kim")
    assert fleet.breaker().status().override is not None


def test_an_override_that_does_not_reach_the_store_is_an_error_and_holds_nowhere(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 1)
    store.down = True
    with pytest.raises(StoreLostError):
        breaker.force_open("maintenance", "kim")
    assert breaker.call(answer) == "answer"
    store.down = False
    clock.sleep(1)
    assert breaker.status().override is None


def test_a_lost_store_is_asked_again_at_once_for_an_operator(fleet: Fleet, store: FaultyStore) -> None:
    breaker = fleet.breaker()
    store.down = True
    fail_times(breaker, 1)
    store.down = False
    breaker.force_open("maintenance", "kim")
    assert breaker.status().slots == 0


class TestAfterTheStoreWasEmptied:
    """The processes remember several earlier overrides."""

    @pytest.fixture
    def process(self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock) -> CircuitBreaker:
        process = fleet.breaker()
        for _ in range(3):
            process.force_close("the alarm is false", "kim")
            process.auto("kim")
        process.force_open("maintenance", "kim")
        clock.sleep(0.3)
        store.wipe()
        return process

    def test_an_override_that_was_confirmed_stays(
        self, fleet: Fleet, clock: MonotonicClock, process: CircuitBreaker
    ) -> None:
        operator = fleet.breaker()
        operator.observe("a trial of the thresholds", "lee")
        clock.sleep(0.3)
        assert process.call(answer) == "answer"
        clock.sleep(0.3)
        override = operator.status().override
        assert override is not None
        assert override.actor == "lee"

    def test_an_override_that_was_lifted_does_not_come_back(
        self, fleet: Fleet, clock: MonotonicClock, process: CircuitBreaker
    ) -> None:
        operator = fleet.breaker()
        operator.auto("lee")
        clock.sleep(0.3)
        assert process.call(answer) == "answer"
        clock.sleep(0.3)
        assert operator.status().override is None


def test_the_last_override_counts_also_when_the_stores_clock_has_stepped_back(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    operator, worker = fleet.breakers(2)
    operator.force_open("maintenance", "kim")
    assert worker.call(answer, fallback="refused") == "refused"
    store.step = -3600.0
    clock.sleep(0.3)
    operator.auto("kim")
    clock.sleep(0.3)
    assert worker.call(answer) == "answer"


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": " ", "actor": "kim"},
        {"reason": "maintenance", "actor": ""},
        {"reason": "maintenance", "actor": "kim", "seconds": 0},
        {"reason": "maintenance", "actor": "kim", "seconds": 1e306},
    ],
)
def test_an_override_needs_an_actor_a_reason_and_a_possible_duration(
    fleet: Fleet, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="should"):
        fleet.breaker().force_open(**wrong)


class TestSinceWhenCallsAreLetThrough:
    def test_a_circuit_that_never_held_one_back_does_not_say(self, fleet: Fleet) -> None:
        assert fleet.breaker().status().passing_since is None

    def test_an_override_has_ended_by_itself(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.breaker()
        breaker.force_open("maintenance", "kim", seconds=60)
        end = breaker.status().store_time + 60
        assert breaker.status().passing_since is None
        clock.sleep(100)
        assert breaker.status().passing_since == pytest.approx(end)

    @pytest.mark.parametrize("override", ["force_close", "observe"])
    def test_an_override_lets_all_through(self, fleet: Fleet, clock: MonotonicClock, override: str) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        getattr(breaker, override)("the alarm is false", "kim")
        began = breaker.status().store_time
        clock.sleep(10)
        assert breaker.status().passing_since == pytest.approx(began)

    def test_a_person_has_lifted_it(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.breaker()
        breaker.force_open("maintenance", "kim")
        breaker.auto("kim")
        end = breaker.status().store_time
        clock.sleep(10)
        assert breaker.status().passing_since == pytest.approx(end, abs=0.001)

    def test_the_open_interval_has_ended_and_then_the_circuit_has_closed(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        assert breaker.status().passing_since is None
        clock.sleep(40)
        assert breaker.status().state is CircuitState.HALF_OPEN
        assert breaker.status().passing_since == pytest.approx(breaker.status().store_time - 10, abs=1)
        succeed_times(breaker, 1)
        assert breaker.status().state is CircuitState.CLOSED
        assert breaker.status().passing_since == pytest.approx(breaker.status().store_time, abs=1)
