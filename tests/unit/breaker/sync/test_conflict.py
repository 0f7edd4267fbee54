"""A host that was away comes back: what it saw alone, and what was said meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, OverrideMode
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, answer, fail_times


class Host:
    """A breaker with a connection of its own, which can be cut."""

    def __init__(self, clock: MonotonicClock, store: FaultyStore) -> None:
        self.store = store.seen_from_elsewhere()
        config = CircuitBreakerConfig(failure_threshold=3, recent_calls=3, jitter=0.0)
        self.breaker = CircuitBreaker("payment", config, self.store, clock=clock)

    def succeed(self) -> None:
        self.breaker.call(answer, fallback="refused")

    def fail(self) -> None:
        fail_times(self.breaker, 1)

    @property
    def state(self) -> CircuitState:
        return self.breaker.status().state


def hosts(clock: MonotonicClock, store: FaultyStore, count: int) -> list[Host]:
    return [Host(clock, store) for _ in range(count)]


def pass_time(
    clock: MonotonicClock, seconds: float, succeeding: Iterable[Host], failing: Iterable[Host] = ()
) -> None:
    """Each calls ten times a second."""
    for _ in range(round(seconds * 10)):
        for host in succeeding:
            host.succeed()
        for host in failing:
            host.fail()
        clock.sleep(0.1)


class TestTrap6AlwaysFailingHosts:
    """One always-failing host in 50 does not open the circuit, whatever else it has lost."""

    @pytest.mark.parametrize("seconds", [0.5, 9])
    def test_one_that_lost_its_own_network_shuts_no_other_out_when_it_is_back(
        self, clock: MonotonicClock, store: FaultyStore, seconds: float
    ) -> None:
        lost, *others = hosts(clock, store, 50)
        pass_time(clock, 2, [lost, *others])
        lost.store.down = True
        pass_time(clock, seconds, others, failing=[lost])
        assert lost.state is CircuitState.OPEN
        lost.store.down = False
        pass_time(clock, 2, others, failing=[lost])
        assert lost.state is CircuitState.CLOSED
        assert sum(host.breaker.metrics().rejected_calls for host in others) == 0

    def test_one_that_began_without_the_store_neither(
        self, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        """It has never heard the store's clock, and this machine's shows another year."""
        lost, *others = hosts(clock, store, 50)
        lost.store.down = True
        pass_time(clock, 2, others, failing=[lost])
        lost.store.down = False
        pass_time(clock, 2, others, failing=[lost])
        assert sum(host.breaker.metrics().rejected_calls for host in others) == 0

    def test_nor_one_that_comes_back_first_when_all_had_lost_the_store(
        self, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        broken, *others = hosts(clock, store, 50)
        pass_time(clock, 2, [broken, *others])
        for host in (broken, *others):
            host.store.down = True
        pass_time(clock, 5, others, failing=[broken])
        for host in (broken, *others):
            host.store.down = False
        for step in range(100):
            broken.fail()
            clock.sleep(0.02)
            for host in others if step % 5 == 4 else ():
                host.succeed()
        assert broken.state is CircuitState.CLOSED
        assert sum(host.breaker.metrics().rejected_calls for host in others) == 0


def test_when_the_store_comes_back_twice_the_others_have_their_time_again(
    clock: MonotonicClock, store: FaultyStore
) -> None:
    lost, other = hosts(clock, store, 2)
    pass_time(clock, 1, [lost, other])
    lost.store.down = True
    pass_time(clock, 2, [], failing=[lost])
    lost.store.down = False
    pass_time(clock, 0.3, [], failing=[lost])
    lost.store.down = True
    pass_time(clock, 2, [], failing=[lost])
    lost.store.down = False
    pass_time(clock, 0.3, [], failing=[lost])
    assert other.state is CircuitState.CLOSED


def test_an_outage_that_began_while_all_were_without_the_store_opens_the_shared_circuit(
    clock: MonotonicClock, store: FaultyStore
) -> None:
    """Hosts that did not call meanwhile learn it within two seconds."""
    *busy, idle = hosts(clock, store, 10)
    pass_time(clock, 2, [*busy, idle])
    for host in (*busy, idle):
        host.store.down = True
    pass_time(clock, 5, [], failing=busy)
    for host in (*busy, idle):
        host.store.down = False
    pass_time(clock, 2, [], failing=busy)
    assert idle.state is CircuitState.OPEN


def test_an_open_circuit_stays_open_while_it_waits_for_the_others(
    clock: MonotonicClock, store: FaultyStore
) -> None:
    lost, other = hosts(clock, store, 2)
    pass_time(clock, 1, [lost, other])
    lost.store.down = other.store.down = True
    pass_time(clock, 1, [], failing=[lost])
    lost.store.down = other.store.down = False
    for _ in range(10):
        clock.sleep(0.1)
        assert lost.state is CircuitState.OPEN


class TestAnOperatorsOverride:
    @pytest.mark.parametrize("override", ["force_open", "force_close", "observe"])
    def test_given_while_a_host_was_away_it_stays(
        self, clock: MonotonicClock, store: FaultyStore, override: str
    ) -> None:
        away, other = hosts(clock, store, 2)
        pass_time(clock, 1, [away])
        away.store.down = True
        pass_time(clock, 1, [], failing=[away])
        getattr(other.breaker, override)("maintenance", "kim")
        away.store.down = False
        pass_time(clock, 2, [away])
        for host in (away, other):
            override = host.breaker.status().override
            assert override is not None
            assert override.reason == "maintenance"

    def test_lifted_while_a_host_was_away_it_stays_lifted(
        self, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        away, other = hosts(clock, store, 2)
        other.breaker.force_close("maintenance", "kim")
        pass_time(clock, 1, [away])
        away.store.down = True
        pass_time(clock, 1, [], failing=[away])
        assert away.state is CircuitState.OPEN
        other.breaker.auto("kim")
        away.store.down = False
        pass_time(clock, 2, [away])
        assert away.breaker.status().override is None
        assert other.breaker.status().override is None

    def test_forgotten_in_a_failover_it_comes_back(self, clock: MonotonicClock, store: FaultyStore) -> None:
        host, other = hosts(clock, store, 2)
        pass_time(clock, 1, [host])
        behind = dict(store._texts)
        host.breaker.force_open("maintenance", "kim")
        store._texts.update(behind)
        clock.sleep(0.3)
        host.breaker.status()
        override = other.breaker.status().override
        assert override is not None
        assert override.mode is OverrideMode.FORCED_OPEN

    def test_lifted_it_does_not_come_back_by_a_failover(
        self, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        host, other = hosts(clock, store, 2)
        host.breaker.force_open("maintenance", "kim")
        behind = dict(store._texts)
        host.breaker.auto("kim")
        store._texts.update(behind)
        clock.sleep(0.3)
        host.breaker.status()
        assert other.breaker.status().override is None

    def test_one_given_after_the_failover_is_not_replaced_by_one_that_it_forgot(
        self, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        host, operator = hosts(clock, store, 2)
        pass_time(clock, 1, [host])
        behind = dict(store._texts)
        host.breaker.force_open("maintenance", "kim")
        store._texts.update(behind)
        operator.breaker.force_close("false alarm", "lee")
        clock.sleep(0.3)
        for one in (host, operator):
            override = one.breaker.status().override
            assert override is not None
            assert override.actor == "lee"
