"""Services that collapse, queue, slow down, throttle or hang, and a fleet whose limit has to find their capacity.

Real breakers share one store in virtual time. `bench/breaker_limit.py` prints a table of all scenarios.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from unittest.mock import patch

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerError,
    Permit,
    Transition,
)
from tests.dict_store import DictStore

QUICK = 0.02  # Seconds of a call at a service that is well.
TIMEOUT = 2.0
WARM_UP = 2.0  # Seconds of live traffic alone, if there was no outage before.


class Answer(Enum):
    OK = "ok"
    FAILED = "failed"
    THROTTLED = "throttled"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """A payment service with ``places``; `call` returns how long a call that begins now takes, and its answer."""

    capacity = math.inf  # Calls a second.

    def __init__(self, places: int, jitter: random.Random) -> None:
        self.places = places
        self.jitter = jitter
        self.in_hand = 0

    def quick(self) -> float:
        return QUICK * self.jitter.uniform(0.8, 1.2)

    def call(self, now: float) -> tuple[float, Answer]:
        return self.quick(), Answer.OK


class Collapsing(Service):
    """Above its places each new call hangs, and then fails."""

    def __init__(self, places: int, jitter: random.Random) -> None:
        super().__init__(places, jitter)
        self.capacity = places / QUICK

    def call(self, now: float) -> tuple[float, Answer]:
        return (TIMEOUT, Answer.FAILED) if self.in_hand > self.places else (self.quick(), Answer.OK)


class Shrinking(Collapsing):
    """Collapsing, with half of the places from 8 to 16 seconds after the start."""

    def call(self, now: float) -> tuple[float, Answer]:
        places = self.places // 2 if 1008 <= now < 1016 else self.places
        return (TIMEOUT, Answer.FAILED) if self.in_hand > places else (self.quick(), Answer.OK)


class Queueing(Service):
    """Calls above its places wait for their turn."""

    def __init__(self, places: int, jitter: random.Random) -> None:
        super().__init__(places, jitter)
        self.capacity = places / QUICK
        self._free_at = [0.0] * places

    def call(self, now: float) -> tuple[float, Answer]:
        ends = max(now, heapq.heappop(self._free_at)) + self.quick()
        heapq.heappush(self._free_at, ends)
        return ends - now, Answer.OK


class Slowing(Service):
    """Above its places it slows down with the cube of the overload."""

    def __init__(self, places: int, jitter: random.Random) -> None:
        super().__init__(places, jitter)
        self.capacity = places / QUICK

    def call(self, now: float) -> tuple[float, Answer]:
        duration = self.quick() * max(1.0, self.in_hand / self.places) ** 3
        return (duration, Answer.OK) if duration < TIMEOUT else (TIMEOUT, Answer.FAILED)


class Throttling(Service):
    """Answers 429 above ``capacity`` calls a second, with a burst of a tenth of a second."""

    capacity = 400.0

    def __init__(self, places: int, jitter: random.Random) -> None:
        super().__init__(places, jitter)
        self._tokens, self._at = 0.0, 0.0

    def call(self, now: float) -> tuple[float, Answer]:
        burst = max(1.0, self.capacity / 10)
        self._tokens = min(burst, self._tokens + self.capacity * (now - self._at))
        self._at = now
        if self._tokens < 1:
            return 0.005, Answer.THROTTLED
        self._tokens -= 1
        return self.quick(), Answer.OK


class Windowed(Throttling):
    """The same, by windows of one second: whatever is above ``capacity`` in one is refused."""

    def call(self, now: float) -> tuple[float, Answer]:
        if int(now) != self._at:
            self._tokens, self._at = self.capacity, int(now)
        if self._tokens < 1:
            return 0.005, Answer.THROTTLED
        self._tokens -= 1
        return self.quick(), Answer.OK


class Failing(Service):
    """A tenth of its calls fail, whatever its load."""

    def call(self, now: float) -> tuple[float, Answer]:
        return self.quick(), Answer.FAILED if self.jitter.random() < 0.1 else Answer.OK


class HeavyTail(Service):
    """Log-normal, p99 ten times the median."""

    def call(self, now: float) -> tuple[float, Answer]:
        return QUICK * math.exp(math.log(10) / 2.326 * self.jitter.gauss(0, 1)), Answer.OK


class SecondMode(Service):
    """Two calls in a hundred take three seconds."""

    def call(self, now: float) -> tuple[float, Answer]:
        return (3.0 if self.jitter.random() < 0.02 else self.quick()), Answer.OK


class PartlyStuck(Service):
    """One of its twenty machines answers nothing, and a call to it fails after its timeout."""

    def call(self, now: float) -> tuple[float, Answer]:
        return (TIMEOUT, Answer.FAILED) if self.jitter.random() < 0.05 else (self.quick(), Answer.OK)


class Slow(Service):
    """Well, with 300 ms a call; above its places it queues."""

    def __init__(self, places: int, jitter: random.Random) -> None:
        super().__init__(places, jitter)
        self.capacity = places / 0.3

    def call(self, now: float) -> tuple[float, Answer]:
        if self.in_hand > self.places:
            return TIMEOUT, Answer.FAILED
        return 0.3 * self.jitter.uniform(0.8, 1.2), Answer.OK


@dataclass
class Scenario:
    service: type[Service]
    places: int = 12
    workers: int = 2
    slots: int = 16  # Of each worker.
    backlog: int = 8000
    live: float = 0.0  # Orders a second, at two shops.
    opens: bool = True  # Whether it begins at the end of an outage.
    seconds: float = 180.0
    probes: int = 3  # At once, while the circuit is half-open.
    rate: float = 400.0  # Of a service that throttles.
    retry_after: float | None = 1.0  # What it asks for then.
    cap: float | None = None  # An operator's, of the workers' calls a second.
    by_status: bool = False  # Whether a worker asks for a permit only when the status says that there is one.


@dataclass
class Result:
    drained: float = math.inf
    ideal: float = 0.0
    openings: int = 0
    peak: int = 0
    calls: int = 0
    wasted: int = 0
    throttled: int = 0
    live: list[float] = field(default_factory=list)
    live_orders: int = 0
    live_queued: int = 0
    limit: int | None = None
    trace: list[str] = field(default_factory=list)


def seeded_ids(seed: int) -> AbstractContextManager[object]:
    """Until it ends, processes have the same ids, and so the same ranks, in each run with ``seed``."""
    ids = random.Random(seed)
    return patch("secrets.token_hex", lambda size: ids.randbytes(size).hex())


class Simulation:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario, self.jitter, self.clock = scenario, random.Random(seed), Clock()
        self.store, self.result = DictStore(self.clock), Result()
        self.service = scenario.service(scenario.places, self.jitter)
        if isinstance(self.service, Throttling):
            self.service.capacity = scenario.rate
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self.backlog = scenario.backlog
        self.undone = scenario.backlog  # Orders of the backlog, and live ones that were queued.
        with seeded_ids(seed):
            self.workers = [self._breaker() for _ in range(scenario.workers)]
            self.shops = [self._breaker() for _ in range(2)]
        for worker in self.workers:
            worker.cap_background_rate(scenario.cap, scenario.workers)
        self.workers[0].listen(self._count_opening)

    def run(self) -> Result:
        self._begin()
        end = self.clock.now + self.scenario.seconds
        while self._events and self.clock.now < end and (self.undone or not self.scenario.backlog):
            at, _, step = heapq.heappop(self._events)
            self.clock.now = at
            step()
        result, live = self.result, self.scenario.live
        if not self.undone:
            result.drained = self.clock.now - self.started
        most = min(self.service.capacity, self.most(), self.scenario.cap or math.inf)
        result.ideal = self.scenario.backlog / (most - live)
        result.limit = self.workers[0].status().limit
        return result

    def most(self) -> float:
        """Calls a second with all slots."""
        return (
            self.scenario.workers * self.scenario.slots / (0.3 if isinstance(self.service, Slow) else QUICK)
        )

    def _begin(self) -> None:
        if self.scenario.opens:
            for _ in range(3):
                self.workers[0].acquire().record_failure()
            self.result.openings = 0
            self.clock.now += 5.0
        warm = 0.0 if self.scenario.opens or not self.scenario.live else WARM_UP
        self.started = self.clock.now + warm
        for worker in self.workers:
            for _ in range(self.scenario.slots):
                self._after(warm + self.jitter.random() * 0.05, lambda worker=worker: self._take(worker))
        if self.scenario.live:
            self._after(0.0, self._next_live)
        self._after(0.2, self._watch)

    def _watch(self) -> None:
        status, *_ = [worker.status() for worker in self.workers]  # As the gate of each worker asks.
        now = self.clock.now - self.started
        self.result.trace.append(
            f"{now:6.1f} s  limit {status.limit}  in hand {self.service.in_hand}  rate {status.rate}"
        )
        self._after(0.2, self._watch)

    def _breaker(self) -> CircuitBreaker:
        config = CircuitBreakerConfig(
            failure_threshold=3,
            recovery_timeout=5.0,
            timeout=TIMEOUT * 1.5,
            half_open_max_calls=self.scenario.probes,
            jitter=0.0,
            adaptive_limit=True,
        )
        return CircuitBreaker("payment", config, self.store, clock=self.clock, jitter=self.jitter.random)

    def _count_opening(self, event: object) -> None:
        if isinstance(event, Transition) and event.after.value == "open":
            self.result.openings += 1

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.clock.now + seconds, next(self._number), step))

    def _take(self, worker: CircuitBreaker) -> None:
        if not self.backlog:
            self._after(0.2, lambda: self._take(worker))
            return
        if self.scenario.by_status and not (status := worker.status()).background_slots:
            self._after(min(max(0.05, status.background_wait), 1.0), lambda: self._take(worker))
            return
        try:
            permit = worker.acquire(background=True)
        except CircuitBreakerError as refused:
            self._after(refused.retry_after, lambda: self._take(worker))
            return
        self.backlog -= 1

        def done(answer: Answer) -> None:
            if answer is Answer.OK:
                self.undone -= 1
            else:
                self._after(1.0, self._requeue)
            self._take(worker)

        self._call(permit, done)

    def _requeue(self) -> None:
        self.backlog += 1

    def _next_live(self) -> None:
        self._after(self.jitter.expovariate(self.scenario.live), self._next_live)
        self.result.live_orders += self.clock.now >= self.started
        began = self.clock.now
        try:
            permit = self.jitter.choice(self.shops).acquire()
        except CircuitBreakerError:
            self._queue_live()
            return

        def done(answer: Answer) -> None:
            self.result.live.append(self.clock.now - began)
            if answer is not Answer.OK:
                self._queue_live()

        self._call(permit, done)

    def _queue_live(self) -> None:
        self.result.live_queued += 1
        self.backlog += 1
        self.undone += 1

    def _call(self, permit: Permit, done: Callable[[Answer], None]) -> None:
        service, result = self.service, self.result
        service.in_hand += 1
        result.calls += 1
        result.peak = max(result.peak, service.in_hand)
        duration, answer = service.call(self.clock.now)
        result.wasted += answer is Answer.FAILED
        result.throttled += answer is Answer.THROTTLED

        def end() -> None:
            service.in_hand -= 1
            if answer is Answer.OK:
                permit.record_success()
            elif answer is Answer.FAILED:
                permit.record_failure()
            else:
                permit.record_throttled(self.scenario.retry_after)
            done(answer)

        self._after(duration, end)


C = Collapsing
SCENARIOS = {
    "collapse 12": Scenario(C),
    "collapse 12, live 10 %": Scenario(C, live=58),
    "collapse 12, 16 workers, live": Scenario(C, workers=16, slots=2, live=58),
    "collapse 12, 50 workers, live": Scenario(C, workers=50, slots=2, live=58),
    "collapse 12, no outage before": Scenario(C, opens=False),
    "collapse 12, live, no outage": Scenario(C, live=58, opens=False),
    "collapse 12, 16 workers, no outage": Scenario(C, workers=16, slots=2, live=58, opens=False),
    "collapse 12, halves for 8 s": Scenario(Shrinking, backlog=12000),
    "collapse 1": Scenario(C, places=1, backlog=400, probes=1),
    "collapse 3": Scenario(C, places=3, backlog=2000),
    "collapse 200": Scenario(C, places=200, workers=8, slots=64, backlog=100_000),
    "collapse 1000": Scenario(C, places=1000, workers=32, slots=64, backlog=400_000),
    "collapse 12 of 300 ms": Scenario(Slow, backlog=2000),
    "queue 12, live 10 %": Scenario(Queueing, live=58),
    "slow 12, live 10 %": Scenario(Slowing, live=58),
    "429 above 400/s": Scenario(Throttling),
    "429 above 400/s, no outage": Scenario(Throttling, opens=False),
    "429 above 400/s, live 10 %": Scenario(Throttling, live=40),
    "429, 16 workers": Scenario(Throttling, workers=16, slots=4),
    "429, no pause asked": Scenario(Throttling, opens=False, retry_after=None),
    "429, no pause asked, outage": Scenario(Throttling, retry_after=None),
    "429, no pause asked, 16 workers": Scenario(
        Throttling, workers=16, slots=4, opens=False, retry_after=None
    ),
    "429 in windows": Scenario(Windowed, opens=False, retry_after=None),
    "429 in windows, pause asked": Scenario(Windowed, opens=False),
    "429 in windows, 16 workers": Scenario(Windowed, workers=16, slots=4, opens=False, retry_after=None),
    "429 above 5/s": Scenario(Throttling, rate=5.0, backlog=300, opens=False, retry_after=None),
    "429 above 5/s, 16 workers": Scenario(
        Throttling, workers=16, slots=4, rate=5.0, backlog=600, opens=False, retry_after=None, seconds=600.0
    ),
    "429 above 5/s, 16 workers, pause": Scenario(
        Throttling, workers=16, slots=4, rate=5.0, backlog=600, opens=False, seconds=600.0
    ),
    "429 above 5/s, 16 workers, outage": Scenario(
        Throttling, workers=16, slots=4, rate=5.0, backlog=600, seconds=600.0, probes=1
    ),
    "429 above 5/s, 16 drains": Scenario(
        Throttling, workers=16, slots=1, rate=5.0, backlog=600, opens=False, seconds=600.0, by_status=True
    ),
    "429 above 5/s in windows, 16": Scenario(
        Windowed, workers=16, slots=4, rate=5.0, backlog=600, opens=False, retry_after=None, seconds=600.0
    ),
    "429 above 1/s, 4 workers": Scenario(
        Throttling, workers=4, slots=4, rate=1.0, backlog=200, opens=False, retry_after=None, seconds=1000.0
    ),
    "429 above 1/s in windows, 4": Scenario(
        Windowed, workers=4, slots=4, rate=1.0, backlog=200, opens=False, retry_after=None, seconds=1000.0
    ),
    "429 above 5/s, cap 5, 16 workers": Scenario(
        Throttling, workers=16, slots=4, rate=5.0, backlog=600, opens=False, seconds=600.0, cap=5.0
    ),
    "429 above 5/s, cap 4, 16 workers": Scenario(
        Throttling, workers=16, slots=4, rate=5.0, backlog=600, opens=False, seconds=600.0, cap=4.0
    ),
    "429 above 5/s in windows, cap 5": Scenario(
        Windowed, workers=16, slots=4, rate=5.0, backlog=600, opens=False, seconds=600.0, cap=5.0
    ),
    "429 above 50/s": Scenario(Throttling, rate=50.0, backlog=1500, opens=False, retry_after=None),
    "429 above 50/s in windows": Scenario(Windowed, rate=50.0, backlog=1500, opens=False),
    "429 above 2000/s": Scenario(
        Throttling, rate=2000.0, slots=64, backlog=40_000, opens=False, retry_after=None
    ),
    "well": Scenario(Service, live=58, opens=False),
    "well after an outage": Scenario(Service, live=58),
    "a tenth fails": Scenario(Failing, live=58, opens=False),
    "heavy tail": Scenario(HeavyTail, live=100, backlog=20_000, opens=False),
    "second mode": Scenario(SecondMode, live=100, backlog=20_000, opens=False),
    "heavy tail after an outage": Scenario(HeavyTail, live=100, backlog=20_000),
    "second mode after an outage": Scenario(SecondMode, live=100, backlog=20_000),
    "a twentieth is stuck": Scenario(PartlyStuck, live=58, backlog=4000, opens=False),
    "a twentieth is stuck after an outage": Scenario(PartlyStuck, live=58, backlog=4000),
}


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else math.nan
