"""How long a breaker waits for a slow store: at the first contact, in a call, and at the end."""

from __future__ import annotations

import time
from contextlib import closing

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState
from tests.manual_clock import MonotonicClock
from tests.stopwatch import Stopwatch
from tests.unit.breaker.doubles import BlockableStore, FaultyStore, Join, fail_times, succeed_times
from tests.waiting import wait_until


class SlowStore(FaultyStore):
    """Each operation takes a fifth of a second of real time."""

    remote = True

    def __init__(self) -> None:
        super().__init__(MonotonicClock())
        self._clock = time.time

    def _check(self) -> None:
        time.sleep(0.2)


def test_the_first_contact_waits_at_least_as_long_as_a_call() -> None:
    config = CircuitBreakerConfig(store_timeout=60.0, first_contact=0.001)
    with closing(CircuitBreaker("payment", config, SlowStore())) as breaker:
        assert breaker.status().store_ok


def test_an_admission_with_two_synchronizations_waits_as_long_as_one_with_one() -> None:
    """To refresh, and to get a lease; each takes 200 ms of the 250 that there are in all."""
    config = CircuitBreakerConfig(failure_threshold=1, store_timeout=0.25, recovery_timeout=0.3, jitter=0.0)
    with closing(CircuitBreaker("payment", config, SlowStore())) as breaker:
        fail_times(breaker, 1)
        wait_until(lambda: breaker.status().state is CircuitState.HALF_OPEN)
        time.sleep(0.25)
        watch = Stopwatch()
        assert breaker.acquire().is_probe
        assert watch.seconds < 0.36


def test_leaving_a_store_that_hangs_takes_a_second(
    join: Join, blockable: BlockableStore, clock: MonotonicClock
) -> None:
    breaker = join()
    clock.sleep(0.1)
    succeed_times(breaker, 1)
    blockable.unblocked.clear()
    breaker._clock = breaker._replica._clock = time.monotonic
    watch, began = Stopwatch(), time.monotonic()
    breaker.close()
    assert watch.seconds < 1.5
    assert (
        time.monotonic() - began > 0.8
    )  # Without the stopwatch, which leaves out what passes on a busy machine.
