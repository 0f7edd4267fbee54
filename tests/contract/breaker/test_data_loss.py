"""Replies that are lost, and a failover that loses the last second, on every store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, Store
from breakwall.breaker.stores import StoredCircuit
from tests.contract.breaker.conftest import ON_SHARED, Join, fail_times
from tests.waiting import wait_until

OpenStore = Callable[[], Store]

pytestmark = ON_SHARED


class LossyStore:
    """A real store behind a network that can lose each swap, or the reply to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.remote = store.remote
        self.loses_replies = self.loses_requests = False

    def load(self, name: str) -> StoredCircuit:
        return self._store.load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        if self.loses_requests:
            raise TimeoutError("the request was lost")
        answer = self._store.swap(name, seen, version, text)
        if self.loses_replies:
            raise TimeoutError("the reply was lost")
        return answer

    def close(self) -> None:
        self._store.close()

    def forget_connections(self) -> None:
        self._store.forget_connections()


@pytest.fixture
def lossy(open_store: OpenStore) -> LossyStore:
    return LossyStore(open_store())


@pytest.fixture
def breaker(lossy: LossyStore) -> Iterator[CircuitBreaker]:
    config = CircuitBreakerConfig(
        failure_threshold=3, recovery_timeout=0.3, timeout=20.0, refresh_interval=0.05, store_timeout=5.0
    )
    with closing(CircuitBreaker("payment", config, lossy)) as breaker:
        assert breaker.status().store_ok
        yield breaker


def until_half_open(breaker: CircuitBreaker) -> None:
    fail_times(breaker, 3)
    wait_until(lambda: breaker.status().state is CircuitState.HALF_OPEN)


def end_losses(lossy: LossyStore, breaker: CircuitBreaker) -> None:
    lossy.loses_replies = lossy.loses_requests = False
    wait_until(lambda: breaker.status().store_ok)


class TestLostReplies:
    def test_a_failure_counts_once(self, breaker: CircuitBreaker, lossy: LossyStore, join: Join) -> None:
        breaker.call(int)
        lossy.loses_replies = True
        fail_times(breaker, 1)
        end_losses(lossy, breaker)
        time.sleep(2 * breaker.config.refresh_interval)
        breaker.call(int)
        assert join().status().failure_count == 1

    def test_the_failure_that_opens_the_circuit_opens_it_once(
        self, breaker: CircuitBreaker, lossy: LossyStore, join: Join
    ) -> None:
        fail_times(breaker, 2)
        lossy.loses_replies = True
        fail_times(breaker, 1)
        assert breaker.status().generation == 1
        end_losses(lossy, breaker)
        wait_until(lambda: breaker.status().state is not CircuitState.CLOSED)
        assert (join().status().generation, breaker.status().generation) == (1, 1)

    def test_a_probe_that_is_granted_takes_one_slot_and_frees_it(
        self, breaker: CircuitBreaker, lossy: LossyStore, join: Join
    ) -> None:
        until_half_open(breaker)
        lossy.loses_replies = True
        probe = breaker.acquire()
        other = join()
        assert other.status().slots == 0
        probe.record_success()
        end_losses(lossy, breaker)
        wait_until(lambda: other.status().state is CircuitState.CLOSED)

    @pytest.mark.parametrize("loss", ["loses_requests", "loses_replies"])
    def test_a_probes_success_closes_the_circuit_once(
        self, breaker: CircuitBreaker, lossy: LossyStore, join: Join, loss: str
    ) -> None:
        until_half_open(breaker)
        probe = breaker.acquire()
        setattr(lossy, loss, True)
        probe.record_success()
        end_losses(lossy, breaker)
        other = join()
        wait_until(lambda: other.status().state is CircuitState.CLOSED)
        time.sleep(2 * breaker.config.refresh_interval)
        assert (other.status().generation, breaker.status().generation) == (3, 3)


class TestFailover:
    """To a copy of the store that lacks the last second."""

    def test_the_opening_comes_back(self, breaker: CircuitBreaker, open_store: OpenStore, join: Join) -> None:
        fail_times(breaker, 2)
        fail_over = failover(open_store())
        fail_times(breaker, 1)
        fail_over()
        other = join()
        wait_until(lambda: bool(breaker.status() and other.status().generation >= 1))
        assert breaker.status().generation == 1

    def test_the_closing_comes_back(self, breaker: CircuitBreaker, open_store: OpenStore, join: Join) -> None:
        until_half_open(breaker)
        probe = breaker.acquire()
        fail_over = failover(open_store())
        probe.record_success()
        fail_over()
        other = join()
        wait_until(lambda: bool(breaker.status() and other.status().state is CircuitState.CLOSED))
        assert breaker.status().generation == 3

    def test_an_operators_override_comes_back(
        self, breaker: CircuitBreaker, open_store: OpenStore, join: Join
    ) -> None:
        breaker.call(int)
        breaker.force_close("a false alarm", "kim")
        fail_over = failover(open_store())
        breaker.force_open("maintenance", "kim")
        fail_over()
        other = join()
        wait_until(lambda: bool(breaker.status() and other.status().slots == 0))


def failover(store: Store) -> Callable[[], None]:
    """Remembers what is stored now; to put it back later."""
    before = store.load("payment")
    assert before.text is not None

    def fail_over() -> None:
        now = store.load("payment")
        assert store.swap("payment", now.version, before.version, before.text or "")[0]

    return fail_over
