"""Between two looks at a circuit, each transition is found, with its cause."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitBreakerConfig, CircuitState
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.monitor.history.transitions import (
    MOST,
    CircuitPosition,
    CircuitTransition,
    TransitionCause,
    transitions_between,
)

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
LEGAL = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED), (HALF_OPEN, OPEN)}


class Clocked:
    """A circuit that opens at 3 failures and closes after 2 successes, with a clock that is turned by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0
        config = CircuitBreakerConfig(
            failure_threshold=3, recovery_timeout=30, half_open_max_calls=2, jitter=0
        )
        store = MemoryStore(clock=lambda: self.seconds)
        self.breaker = CircuitBreaker("payment", config, store, clock=lambda: self.seconds)
        self.last = CircuitPosition.of(self.breaker.status())

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().record_failure()

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().record_success()

    def let_it_try(self) -> None:
        self.seconds += self.breaker.status().retry_after

    def look(self) -> list[CircuitTransition]:
        status = self.breaker.status()
        found = transitions_between(self.last, status)
        self.last = CircuitPosition.of(status)
        return found


@pytest.fixture
def circuit() -> Clocked:
    return Clocked()


def causes(found: list[CircuitTransition]) -> list[TransitionCause]:
    return [one.cause for one in found]


def test_an_opening_has_its_moment_and_the_failures_that_caused_it(circuit: Clocked) -> None:
    circuit.fail(3)
    opened = datetime.fromtimestamp(circuit.seconds, UTC)
    circuit.seconds += 1
    (one,) = circuit.look()
    assert (one.at, one.before, one.after) == (opened, CLOSED, OPEN)
    assert (one.cause, one.failures) == (TransitionCause.FAILURES, 3)


def test_a_pause_that_the_service_asks_for_is_no_failure(circuit: Clocked) -> None:
    circuit.breaker.acquire().record_failure(retry_after=20.0)
    (one,) = circuit.look()
    assert (one.cause, one.failures) == (TransitionCause.PAUSE_ASKED, None)


def test_an_interval_that_is_over_is_no_transition_until_a_probe_is_sent(circuit: Clocked) -> None:
    circuit.fail(3)
    circuit.look()
    circuit.let_it_try()
    assert circuit.breaker.status().state is HALF_OPEN
    assert circuit.look() == []
    circuit.succeed()
    assert causes(circuit.look()) == [TransitionCause.INTERVAL_OVER]


def test_a_probe_that_fails_and_probes_that_succeed_are_told_apart(circuit: Clocked) -> None:
    circuit.fail(3)
    circuit.look()
    circuit.let_it_try()
    circuit.fail()
    circuit.seconds += 0.7
    found = circuit.look()
    assert found[0].at == found[1].at  # The first is not later because its moment is not known.
    assert causes(found) == [TransitionCause.INTERVAL_OVER, TransitionCause.PROBE_FAILED]
    circuit.let_it_try()
    circuit.succeed(2)
    assert causes(circuit.look()) == [TransitionCause.INTERVAL_OVER, TransitionCause.PROBES_SUCCEEDED]


def test_a_whole_outage_between_two_looks_is_not_missed(circuit: Clocked) -> None:
    circuit.fail(3)
    circuit.let_it_try()
    circuit.succeed(2)
    found = circuit.look()
    assert [one.after for one in found] == [OPEN, HALF_OPEN, CLOSED]
    assert found[0].failures is None  # The circuit has forgotten them.


@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_reset_is_told_as_one(circuit: Clocked, state: str) -> None:
    if state == "open":
        circuit.fail(3)
        circuit.look()
    circuit.breaker.reset()
    assert causes(circuit.look()) == ([TransitionCause.RESET] if state == "open" else [])
    circuit.fail(3)
    assert causes(circuit.look()) == [TransitionCause.FAILURES]


def test_a_store_that_was_emptied_is_another_circuit(circuit: Clocked) -> None:
    circuit.fail(3)
    circuit.look()
    assert transitions_between(circuit.last, Clocked().breaker.status()) == []


@pytest.mark.parametrize("seed", range(50))
def test_however_seldom_it_looks_the_way_is_whole(seed: int) -> None:
    made_up, circuit = random.Random(seed), Clocked()
    found: list[CircuitTransition] = []
    for _ in range(60):
        step = made_up.choice([circuit.fail, circuit.succeed, circuit.let_it_try])
        if step == circuit.let_it_try or circuit.breaker.status().slots != 0:
            step()
        if made_up.random() < 0.3:
            found += circuit.look()
    found += circuit.look()
    status: BreakerStatus = circuit.breaker.status()
    assert [one.generation for one in found] == list(range(1, status.generation + 1))
    assert all((one.before, one.after) in LEGAL for one in found)
    assert [one.before for one in found[1:]] == [one.after for one in found[:-1]]
    assert [one.after for one in found].count(OPEN) == status.open_count


def test_of_very_many_transitions_the_last_ones_are_told(circuit: Clocked) -> None:
    for _ in range(MOST):
        circuit.fail(3)
        circuit.let_it_try()
        circuit.succeed(2)
    found = circuit.look()
    assert (len(found), found[-1].generation) == (MOST, 3 * MOST)
