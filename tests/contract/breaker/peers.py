"""The breaker and its peers behind one small interface, for the page that compares them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import circuitbreaker
import purgatory
import pybreaker
import redis

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, MemoryStore, store_from_url
from tests.manual_clock import MonotonicClock

THRESHOLD = 3
LONG, SHORT = (
    60.0,
    0.1,
)  # Seconds until a circuit is half-open: never in a test; soon, because peers are waited for.


class ServiceError(Exception):
    """The service failed."""


class Peer(ABC):
    """One breaker that opens after `THRESHOLD` failures in a row, for ``recovery`` seconds.

    With ``url``, its circuit is in that Redis. ``options`` are the library's own.
    """

    name: ClassVar[str]

    def __init__(self, url: str | None = None, recovery: float = LONG, **options: Any) -> None:
        self.url = url
        self.recovery = recovery
        self.breaker: Any = self._made(**options)

    @abstractmethod
    def _made(self, **options: Any) -> Any:
        """The library's breaker."""

    @abstractmethod
    def call(self, func: Callable[[], Any]) -> Any:
        """Call ``func`` through the breaker."""

    def recover(self, intervals: float = 1.5) -> None:
        """Let so many recovery times pass."""
        time.sleep(self.recovery * intervals)

    def runs(self, func: Callable[[], Any]) -> bool:
        """Whether a call is let through, whatever becomes of it."""
        ran = []
        with contextlib.suppress(Exception):
            self.call(lambda: (ran.append(True), func()))
        return bool(ran)

    def fail(self, times: int, error: Exception | None = None) -> None:
        def failing() -> None:
            raise error or ServiceError

        for _ in range(times):
            self.runs(failing)

    def close(self) -> None:  # noqa: B027  # Most have begun nothing.
        """End what it has begun."""

    @property
    def is_open(self) -> bool:
        return not self.runs(int)

    @contextlib.contextmanager
    def running(self) -> Iterator[RunningCall]:
        """A call in another thread, which ends as it is told."""
        call = RunningCall(self)
        yield call
        call.end()


class RunningCall:
    """A call that has begun, or waits to begin."""

    def __init__(self, peer: Peer) -> None:
        self._began, self._over = threading.Event(), threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=lambda: (peer.runs(self._work), self._began.set()))
        self._ran = False
        self._thread.start()

    def _work(self) -> None:
        self._ran = True
        self._began.set()
        self._over.wait(30)
        if self._error is not None:
            raise self._error

    def runs(self, within: float) -> bool:
        """Whether it was let through, as far as that is known within so many seconds."""
        self._began.wait(within)
        return self._ran

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._over.set()
        self._thread.join(30)


class Breakwall(Peer):
    name = "breakwall"

    def _made(self, **config: Any) -> CircuitBreaker:
        self.clock = MonotonicClock()
        chosen = {"failure_threshold": THRESHOLD, "recovery_timeout": self.recovery, "jitter": 0.0, **config}
        # A slow machine is no lost store.
        chosen |= {"store_timeout": 5.0, "first_contact": 5.0}
        return CircuitBreaker("peer", CircuitBreakerConfig(**chosen), self._store(), clock=self.clock)

    def _store(self) -> Any:
        return MemoryStore(self.clock) if self.url is None else store_from_url(self.url)

    def call(self, func: Callable[[], Any]) -> Any:
        return self.breaker.call(func)

    def recover(self, intervals: float = 1.5) -> None:
        self.clock.sleep(self.recovery * intervals)
        if self.url is not None:  # The circuit is on the clock of Redis.
            super().recover(intervals)


class Pybreaker(Peer):
    name = "pybreaker"

    def _made(self, **options: Any) -> Any:
        if self.url is not None:
            options["state_storage"] = pybreaker.CircuitRedisStorage("closed", redis.Redis.from_url(self.url))
        return pybreaker.CircuitBreaker(fail_max=THRESHOLD, reset_timeout=self.recovery, **options)

    def call(self, func: Callable[[], Any]) -> Any:
        return self.breaker.call(func)


class Circuitbreaker(Peer):
    name = "circuitbreaker"

    def _made(self, **options: Any) -> Any:
        assert self.url is None, "it has no store"
        chosen = {
            "failure_threshold": THRESHOLD,
            "recovery_timeout": self.recovery,
            "name": "peer",
            **options,
        }
        return circuitbreaker.CircuitBreaker(**chosen)

    def call(self, func: Callable[[], Any]) -> Any:
        # Its `call` refuses nothing; the decorator does.
        return self.breaker.decorate(lambda: func())()


class Purgatory(Peer):
    """With Redis its asynchronous form, in an event loop of its own: the other one does not work there."""

    name = "purgatory"

    def _made(self, **options: Any) -> Any:
        if self.url is None:
            return purgatory.SyncCircuitBreakerFactory(THRESHOLD, self.recovery, **options)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        uow = purgatory.AsyncRedisUnitOfWork(self.url)
        return purgatory.AsyncCircuitBreakerFactory(THRESHOLD, self.recovery, uow=uow, **options)

    def call(self, func: Callable[[], Any]) -> Any:
        if self.url is None:
            return self.breaker("peer")(lambda: func())()

        async def call() -> Any:
            async with await self.breaker.get_breaker("peer"):
                return await asyncio.to_thread(func)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    def close(self) -> None:
        if self.url is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)


PEERS: tuple[type[Peer], ...] = (Breakwall, Pybreaker, Circuitbreaker, Purgatory)
