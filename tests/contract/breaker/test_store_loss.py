"""Real stores that hang, die and are emptied, under calls that must not notice."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, store_from_url
from tests.contract.breaker.conftest import SHARED, fail_times
from tests.servers import RedisServer, Server
from tests.stopwatch import timed
from tests.waiting import wait_until

# 50 ms is the promise; the rest is for a machine that is busy with something else.
PROMISED = 0.05
SLACK = 0.2


@dataclass
class BreakableStore:
    url: str
    hang: Callable[[], None]
    go_on: Callable[[], None]


@pytest.fixture(params=SHARED)
def breakable(request: pytest.FixtureRequest) -> Iterator[BreakableStore]:
    url = str(request.getfixturevalue(f"{request.param}_url"))
    if request.param == "sqlite":
        writer = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        # Readers and writers alike wait for an exclusive lock outside of the write-ahead log only.
        yield BreakableStore(url, lambda: writer.executescript("BEGIN EXCLUSIVE"), writer.rollback)
        writer.close()
        return
    server: Server = request.getfixturevalue(f"{request.param}_server")
    yield BreakableStore(url, server.pause, server.resume)
    server.ensure_running()


@pytest.fixture
def breaker(breakable: BreakableStore) -> Iterator[CircuitBreaker]:
    # Whatever the number of calls that it takes until the store has answered in time.
    config = CircuitBreakerConfig(
        failure_threshold=3, failure_rate=0.001, recovery_timeout=30, refresh_interval=0.05
    )
    breaker = CircuitBreaker("payment", config, store_from_url(breakable.url))
    wait_until(lambda: breaker.call(int) == 0 and breaker.status().store_ok)
    yield breaker
    breaker.close()


def longest(calls: int, call: Callable[[], object]) -> float:
    times = []
    for _ in range(calls):
        times.append(timed(call)[1])
        time.sleep(0.005)
    return max(times)


def test_calls_continue_beside_a_store_that_hangs(breakable: BreakableStore, breaker: CircuitBreaker) -> None:
    breakable.hang()
    assert longest(100, lambda: breaker.call(int)) < PROMISED + SLACK
    breakable.go_on()
    wait_until(lambda: breaker.call(int) == 0 and breaker.status().store_ok)


def test_the_local_circuit_opens_beside_a_store_that_hangs_and_the_fleets_does_when_it_is_back(
    breakable: BreakableStore, breaker: CircuitBreaker
) -> None:
    breakable.hang()
    assert longest(1, lambda: fail_times(breaker, 3)) < 2 * PROMISED + SLACK
    assert breaker.status().state is CircuitState.OPEN
    breakable.go_on()
    with closing(CircuitBreaker("payment", breaker.config, store_from_url(breakable.url))) as other:
        wait_until(lambda: bool(breaker.status().store_ok and other.status().state is CircuitState.OPEN))


def test_an_open_circuit_stays_open_beside_a_store_that_hangs(
    breakable: BreakableStore, breaker: CircuitBreaker
) -> None:
    fail_times(breaker, 3)
    breakable.hang()
    assert longest(50, lambda: breaker.call(int, fallback="refused")) < PROMISED + SLACK
    assert breaker.call(int, fallback="refused") == "refused"
    breakable.go_on()
    wait_until(lambda: breaker.status().store_ok)
    assert breaker.status().state is CircuitState.OPEN


def test_an_open_circuit_outlives_flushall(redis_server: RedisServer, redis_url: str) -> None:
    config = CircuitBreakerConfig(failure_threshold=3, refresh_interval=0.05, store_timeout=5.0)
    with (
        closing(CircuitBreaker("payment", config, store_from_url(redis_url))) as breaker,
        closing(CircuitBreaker("payment", config, store_from_url(redis_url))) as newcomer,
    ):
        fail_times(breaker, 3)
        redis_server.wipe()
        wait_until(lambda: bool(breaker.status() and newcomer.status().state is CircuitState.OPEN))
        assert breaker.status().state is CircuitState.OPEN


def test_a_server_that_is_killed_and_started_again_is_used_again(
    redis_server: RedisServer, redis_url: str
) -> None:
    config = CircuitBreakerConfig(failure_threshold=3, refresh_interval=0.05)
    with closing(CircuitBreaker("payment", config, store_from_url(redis_url))) as breaker:
        wait_until(lambda: breaker.call(int) == 0 and breaker.status().store_ok)
        redis_server.kill()
        assert longest(50, lambda: breaker.call(int)) < PROMISED + SLACK
        assert not breaker.status().store_ok
        redis_server.start()
        wait_until(lambda: breaker.call(int) == 0 and breaker.status().store_ok)


def test_a_store_that_was_never_there_costs_no_call() -> None:
    store = store_from_url("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with closing(CircuitBreaker("payment", CircuitBreakerConfig(), store)) as breaker:
        assert longest(20, lambda: breaker.call(int)) < PROMISED + SLACK
        assert not breaker.status().store_ok
