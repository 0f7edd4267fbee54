"""An operator's cap of the background's rate: real breakers of one fleet, in virtual time."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from breakwall.breaker import CallLimitError, CircuitBreaker, CircuitBreakerError, CircuitState, MemoryStore
from breakwall.breaker.rate_cap import REPORT_INTERVAL, lower
from breakwall.breaker.token_bucket import BURST_SECONDS
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet

REFRESH = 0.2  # Seconds after which a process knows what others have stored.
STEP = 0.02


class CappedFleet:
    """Workers that always have orders to send, unless they rest, on one store and one clock."""

    def __init__(self, rate: float, store: Any = None, **config: Any) -> None:
        self.clock = MonotonicClock()
        self.store = FaultyStore(self.clock) if store is None else store
        self.rate, self.config = rate, {"adaptive_limit": True, **config}
        self.busy: list[CircuitBreaker] = []
        self.idle: list[CircuitBreaker] = []
        self.starts: list[float] = []
        self.joined = 0

    def join(self, processes: int = 1) -> CircuitBreaker:
        breaker = Fleet(self.clock, self.store).breaker(**self.config)
        breaker.cap_background_rate(self.rate, processes)
        self.busy.append(breaker)
        self.joined += 1
        return breaker

    def run(self, seconds: float) -> int:
        """Returns how many calls were started in these seconds."""
        before, end = len(self.starts), self.clock.now + seconds
        while self.clock.now < end:
            self.clock.sleep(STEP)
            for breaker in self.busy:
                self.start(breaker)
        return len(self.starts) - before

    def start(self, breaker: CircuitBreaker, most: int = 200) -> None:
        for _ in range(most):  # By default more than any burst; without a cap it would have no end.
            try:
                breaker.acquire(background=True).record_success()
            except CircuitBreakerError:
                return
            self.starts.append(self.clock.now)

    def most_above(self) -> float:
        """By how many starts the worst interval is above the rate."""
        worst = lowest = 0.0
        for number, at in enumerate(self.starts):
            lowest = min(lowest, number - self.rate * at)
            worst = max(worst, number + 1 - self.rate * at - lowest)
        return worst


@pytest.mark.parametrize("rate", [0.2, 1.0, 50.0, 400.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_interval_has_more_starts_than_the_rate_and_a_burst_whoever_comes_and_goes(
    rate: float, seed: int
) -> None:
    rng, fleet = random.Random(seed), CappedFleet(rate)
    for _ in range(25):
        match rng.choice(["join", "join", "die", "rest", "wake"]):
            case "join" if len(fleet.busy) < 5:
                fleet.join()
            case "die" if fleet.busy:
                fleet.busy.pop(rng.randrange(len(fleet.busy)))
            case "rest" if fleet.busy:
                fleet.idle.append(fleet.busy.pop(rng.randrange(len(fleet.busy))))
            case "wake" if fleet.idle:
                fleet.busy.append(fleet.idle.pop())
        fleet.run(rng.uniform(0.1, 4.0))
    # Each process may have saved up a burst, and hears of another one a refresh later.
    a_process = max(1.0, rate * BURST_SECONDS) / 5 + 1
    assert fleet.most_above() <= rate * (BURST_SECONDS + 2 * REFRESH) + 5 * a_process


POLL = 1.0  # Seconds: so often a worker without orders reads who shares the cap, see `worker/intake.py`.


@pytest.mark.parametrize("pauses", [(2.0, 3.0), (2.5, 5.0), (4.0, 7.0)])
def test_workers_with_few_orders_save_up_two_starts_each_at_most(pauses: tuple[float, float]) -> None:
    """As docs/operations.md says. Each comes and goes with every order."""
    rng, fleet, rate = random.Random(1), CappedFleet(0.5), 0.5
    workers = [fleet.join() for _ in range(3)]
    due = {worker: rng.uniform(0.0, 3.0) for worker in workers}
    read = {worker: rng.uniform(0.0, POLL) for worker in workers}
    for _ in range(3000):
        fleet.clock.sleep(0.1)
        for worker in workers:
            now, number = fleet.clock.now, len(fleet.starts)
            if now >= due[worker]:
                fleet.start(worker, most=1)
                due[worker] = now + rng.uniform(*pauses) if len(fleet.starts) > number else now
            elif now >= read[worker]:
                worker.status()
                read[worker] = now + POLL
    assert fleet.most_above() <= 2 * len(workers) + rate * BURST_SECONDS + 1


@pytest.mark.parametrize(("rate", "workers"), [(1.0, 1), (1.0, 2), (50.0, 2), (400.0, 5), (50.0, 16)])
def test_the_fleet_uses_nearly_all_of_the_rate(rate: float, workers: int) -> None:
    fleet = CappedFleet(rate)
    for _ in range(workers):
        fleet.join()
    fleet.run(5.0)
    assert 0.9 * rate * 30 <= fleet.run(30.0) <= rate * 30 + max(workers, rate * BURST_SECONDS)


def test_many_workers_start_their_calls_one_after_another() -> None:
    fleet = CappedFleet(5.0)
    for _ in range(16):
        fleet.join()
    fleet.run(5.0)
    before = len(fleet.starts)
    assert 48 <= fleet.run(10.0) <= 52
    gaps = [later - earlier for earlier, later in itertools.pairwise(fleet.starts[before:])]
    assert min(gaps) >= 0.2 - 3 * STEP
    assert max(gaps) <= 0.2 + 3 * STEP


def test_a_worker_that_ends_leaves_its_share_within_seconds() -> None:
    fleet = CappedFleet(50.0)
    fleet.join()
    fleet.join()
    fleet.run(5.0)
    fleet.busy.pop()
    fleet.run(3.0)
    assert 0.9 * 500 <= fleet.run(10.0) <= 500 + 10


def test_a_worker_without_orders_leaves_its_share() -> None:
    fleet = CappedFleet(50.0)
    fleet.join()
    fleet.join()
    fleet.run(5.0)
    idle = fleet.busy.pop()
    for _ in range(15):
        idle.status()
        fleet.run(0.2)
    assert fleet.run(10.0) >= 0.9 * 500


def test_a_worker_that_starts_again_and_again_adds_nothing() -> None:
    fleet = CappedFleet(1.0)
    fleet.join()
    fleet.run(5.0)
    began = len(fleet.starts)
    for _ in range(60):
        fleet.join()
        fleet.run(0.5)
        fleet.busy.pop()
    assert len(fleet.starts) - began <= 31


def test_workers_that_had_nothing_to_send_begin_without_saved_turns() -> None:
    fleet = CappedFleet(400.0)
    idle = [fleet.join() for _ in range(10)]
    fleet.busy.clear()
    for _ in range(30):
        fleet.clock.sleep(REFRESH)
        for breaker in idle:
            breaker.status()
    fleet.busy += idle
    assert fleet.run(REFRESH) <= 10 + 2 * 400 * REFRESH


@pytest.mark.parametrize("how", ["memory", "not adaptive", "store lost"])
def test_where_the_circuit_cannot_tell_the_live_workers_share_it(how: str) -> None:
    fleet = CappedFleet(10.0, adaptive_limit=how != "not adaptive")
    for _ in range(2):
        if how == "memory":
            fleet.store = MemoryStore(fleet.clock)
        fleet.join(processes=2)
    fleet.run(3.0)
    if how == "store lost":
        fleet.store.down = True
        fleet.run(3.0)
    assert 80 <= fleet.run(10.0) <= 105


def test_while_the_store_is_lost_a_worker_keeps_the_share_that_it_had() -> None:
    fleet = CappedFleet(10.0)
    fleet.join(processes=1)
    fleet.join(processes=1)
    fleet.run(3.0)
    fleet.store.down = True
    fleet.run(3.0)
    assert 80 <= fleet.run(10.0) <= 105


def test_while_the_circuit_is_not_closed_a_worker_keeps_the_share_that_it_had() -> None:
    fleet = CappedFleet(10.0)
    breaker = fleet.join(processes=1)
    fleet.join(processes=1)
    fleet.run(3.0)
    breaker.acquire().record_failure(3600.0)
    breaker.force_close("they asked", "anna")
    fleet.run(1.0)
    assert 80 <= fleet.run(10.0) <= 105


@pytest.mark.parametrize("override", ["force_close", "observe"])
@pytest.mark.parametrize("state", ["closed", "open"])
def test_it_holds_whatever_an_operators_override_says(override: str, state: str) -> None:
    fleet = CappedFleet(10.0)
    breaker = fleet.join()
    fleet.run(1.0)
    if state == "open":
        breaker.acquire().record_failure(3600.0)
    getattr(breaker, override)("they asked", "anna")
    fleet.run(1.0)
    assert 90 <= fleet.run(10.0) <= 105
    assert breaker.status().background_slots is not None
    breaker.acquire().record_success()


def test_the_probes_of_a_circuit_that_comes_back_wait_for_their_turns() -> None:
    fleet = CappedFleet(1.0, half_open_max_calls=3, recovery_timeout=1.0)
    breaker = fleet.join()
    for _ in range(3):
        breaker.acquire().record_failure()
    fleet.clock.sleep(1.0)
    assert breaker.status().state is CircuitState.HALF_OPEN
    assert 9 <= fleet.run(10.0) <= 11
    assert breaker.status().state is CircuitState.CLOSED


def test_the_status_says_how_many_may_start_and_when_the_next_one() -> None:
    fleet = CappedFleet(10.0)
    breaker = fleet.join()
    fleet.run(3.0)
    status = breaker.status()
    assert (status.rate, status.background_slots) == (10.0, 0)
    assert 0 < status.background_wait <= 0.1
    fleet.clock.sleep(1.0)
    status = breaker.status()
    assert (status.background_slots, status.background_wait) == (2, 0.0)


def test_it_says_that_it_takes_part_once_a_second() -> None:
    fleet = CappedFleet(0.1)
    fleet.join()
    fleet.run(15.0)
    before = fleet.store.swaps
    started = fleet.run(20 * REPORT_INTERVAL)
    assert 10 <= fleet.store.swaps - before <= 20 + started


def test_live_calls_are_not_capped() -> None:
    fleet = CappedFleet(0.2)
    breaker = fleet.join()
    for _ in range(100):
        breaker.acquire().record_success()
    with pytest.raises(CallLimitError, match="a second"):
        breaker.acquire(background=True)


def test_the_lower_of_two_numbers() -> None:
    assert (lower(None, 2), lower(3, 2), lower(None, None), lower(3, None)) == (2, 2, None, 3)


def test_a_rate_that_is_set_while_the_circuit_is_open_lets_the_probe_start() -> None:
    fleet = CappedFleet(rate=5.0, failure_threshold=1, recovery_timeout=5.0, jitter=0.0)
    worker = Fleet(fleet.clock, fleet.store).breaker(**fleet.config)
    worker.acquire().record_failure()
    with pytest.raises(CircuitBreakerError):
        worker.acquire(background=True)
    worker.cap_background_rate(5.0)
    fleet.clock.sleep(5.5)
    worker.status()
    fleet.clock.sleep(0.5)
    assert worker.acquire(background=True).is_probe
