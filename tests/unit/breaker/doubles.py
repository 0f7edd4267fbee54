"""A clock that stands still, and stores that fail or hang on command."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, Event
from breakwall.breaker.stores import StoredCircuit
from breakwall.breaker.sync.replica import Setup
from tests.dict_store import DictStore
from tests.manual_clock import MonotonicClock
from tests.waiting import wait_until

EPOCH = 1_700_000_000.0

OPENED = '{"v":1,"s":"open","g":9,"oa":1700000000000,"ou":1800000000000}'
"""A circuit that is open for years."""

Join = Callable[..., CircuitBreaker]


def setup_of(clock: Callable[[], float], **heard: Any) -> Setup:
    """What a replica is made with. Only the listeners in ``heard`` are called."""

    def nothing(*_: object) -> None:
        """Listens to nobody."""

    listeners = {name: heard.get(name, nothing) for name in ("on_fast_path", "on_change", "on_store")}
    return Setup("payment", CircuitBreakerConfig(), clock, lambda: 0.0, **listeners)


class FaultyStore(DictStore):
    """A store in memory that counts its operations and breaks when asked to."""

    def __init__(self, clock: MonotonicClock) -> None:
        super().__init__(clock=lambda: EPOCH + clock.now + self.step)
        # By how much the store's own clock was set forward or back.
        self.step = 0.0
        self._fake_clock = clock
        self.down = False
        self.loses_replies = False
        self.loads = 0
        self.swaps = 0
        self.before_swap: Callable[[], Any] | None = None

    @property
    def operations(self) -> int:
        return self.loads + self.swaps

    def load(self, name: str) -> StoredCircuit:
        self._check()
        self.loads += 1
        return super().load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        self._check()
        self.swaps += 1
        hook, self.before_swap = self.before_swap, None
        if hook is not None:
            hook()
        answer = super().swap(name, seen, version, text)
        if self.loses_replies:
            raise TimeoutError("the reply was lost")
        return answer

    def seen_from_elsewhere(self) -> FaultyStore:
        """The same circuits through another process's connection."""
        other = FaultyStore(self._fake_clock)
        other._texts = self._texts
        return other

    def overwrite(self, text: str) -> None:
        """As another process does that has read what is stored now."""
        self._texts["payment"] = ("another version", text)

    def wipe(self) -> None:
        self._texts.clear()

    def _check(self) -> None:
        if self.down:
            raise ConnectionError("the store is down")


class BlockableStore(FaultyStore):
    """A remote store that can be blocked: its operations then wait until ``unblocked`` is set.

    ``breaks_next`` makes the next operation fail after that.
    """

    remote = True

    def __init__(self, clock: MonotonicClock) -> None:
        super().__init__(clock)
        self.unblocked = threading.Event()
        self.unblocked.set()
        self.came = threading.Event()
        self.breaks_next = False

    def _check(self) -> None:
        breaks, self.breaks_next = self.breaks_next, False
        self.came.set()
        assert self.unblocked.wait(60)
        if breaks:
            raise ConnectionError("reset by peer")
        super()._check()


class Fleet:
    """Breakers of one circuit, each as if in a process of its own, on one clock and one store."""

    def __init__(self, clock: MonotonicClock, store: Any) -> None:
        self.clock = clock
        self.store = store

    def breaker(self, name: str = "payment", **config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {"failure_threshold": 3, "jitter": 0.0, "refresh_interval": 0.2}
        return CircuitBreaker(
            name, CircuitBreakerConfig(**defaults | config), self.store, clock=self.clock, jitter=lambda: 0.5
        )

    def breakers(self, count: int, **config: Any) -> list[CircuitBreaker]:
        return [self.breaker(**config) for _ in range(count)]

    def half_open(self, name: str = "payment", **config: Any) -> CircuitBreaker:
        """A breaker of a circuit that has opened and now waits for probes."""
        breaker = self.breaker(name, **config)
        fail_times(breaker, 3)
        self.clock.sleep(30)
        return breaker

    def half_open_breakers(self, count: int, **config: Any) -> list[CircuitBreaker]:
        """The first one has seen the failures; the others know nothing yet."""
        others = self.breakers(count - 1, **config)
        return [self.half_open(**config), *others]


def events_of(breaker: CircuitBreaker) -> list[Event]:
    """What its listeners hear from now on."""
    heard: list[Event] = []
    breaker.listen(heard.append)
    return heard


class ServiceError(Exception):
    """The service failed."""


def fail() -> None:
    raise ServiceError


def answer() -> str:
    return "answer"


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.call(fail, fallback="failed")


def succeed_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.call(answer)


def block(blockable: BlockableStore, clock: MonotonicClock, breaker: CircuitBreaker) -> None:
    """Block the store, and have a call notice."""
    blockable.unblocked.clear()
    clock.sleep(0.3)
    succeed_times(breaker, 1)
    assert not breaker.status().store_ok


def unblock(blockable: BlockableStore, clock: MonotonicClock, breaker: CircuitBreaker) -> None:
    """Unblock the store, and wait until the breaker is in touch again."""
    blockable.unblocked.set()
    wait_until(lambda: back_in_touch(breaker, clock))


def back_in_touch(breaker: CircuitBreaker, clock: MonotonicClock) -> bool:
    clock.sleep(0.3)
    return breaker.status().store_ok
