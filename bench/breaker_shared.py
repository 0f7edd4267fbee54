"""A closed call on a shared store: its cost, and the round trips that it takes, beside peers that share a store.

    pip install -e '.[bench,test]' && python bench/breaker_shared.py

SQLite is a fresh file, PostgreSQL and Valkey are private servers that go away with the run; each contestant on
Valkey has a server of its own, whose count of commands is the number of its round trips. For SQL it is the
number of statements. Contestants take turns in each round of one run. Three parts:

- one closed call at full speed, one thread, refreshes included: the median of the rounds, and the best;
- how many round trips a second steady calls of breakwall take, at 100 and 1,000 calls a second and at full speed;
- ten threads that begin together with one call of 0.1 s: later calls, and the first of a fresh process.

circuitbreaker has no shared store. purgatory's is for asyncio, so it is called in an event loop. pybreaker and
purgatory ask their store about each call; interlock-cb shares its state but not its counts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import interlock
import purgatory
import pybreaker
import redis
import sqlalchemy as sa
from breaker_call import work
from breaker_peers import SLOW_CALL, THREADS, together
from breaker_stores import KINDS, shared_store
from interlock.integrations.redis import RedisStorage

from breakwall.breaker import CircuitBreaker, store_from_url

ROUNDS = 10
ROUND_SECONDS = 0.3
PACES = (100, 1_000, None)
PACE_SECONDS = 4.0
SLOW_ROUNDS = 20
FRESH_PROCESSES = 5

Run = Callable[[float], int]
"""Makes calls for so many seconds and returns how many."""


@dataclass
class Contestant:
    """``trips`` is how many round trips its store has seen, ever."""

    name: str
    run: Run
    trips: Callable[[], int]
    breaker: CircuitBreaker | None = None
    times: list[float] = field(default_factory=list)
    calls: int = 0
    counted: int = 0

    def call(self, func: Callable[[], object] = work) -> object:
        """One call through breakwall."""
        assert self.breaker is not None
        return self.breaker.call(func)

    def go(self, seconds: float) -> None:
        before, began = self.trips(), time.perf_counter()
        calls = self.run(seconds)
        self.times.append((time.perf_counter() - began) / calls)
        self.counted += self.trips() - before
        self.calls += calls


def in_batches(call: Callable[[], object]) -> Run:
    def run(seconds: float) -> int:
        calls, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(100):
                call()
            calls += 100
        return calls

    return run


def at_pace(call: Callable[[], object], calls_per_second: int) -> Run:
    def run(seconds: float) -> int:
        calls, began = 0, time.perf_counter()
        while (due := calls / calls_per_second) < seconds:
            time.sleep(max(0.0, began + due - time.perf_counter()))
            call()
            calls += 1
        return calls

    return run


# --- how round trips are counted


def commands(url: str) -> Callable[[], int]:
    """Counts what clients send to a Valkey server. What a script calls is counted there too: `INSIDE`."""
    client = redis.Redis.from_url(url)

    def count() -> int:
        stats = client.info("commandstats")
        sent = {name.removeprefix("cmdstat_"): int(of["calls"]) for name, of in stats.items()}
        return sum(calls for name, calls in sent.items() if name not in INSIDE | HANDSHAKE)

    return count


INSIDE = {"hmget", "hset", "hget", "hincrby", "time", "pexpire"}
HANDSHAKE = {"info", "hello", "select", "client|setinfo", "flushdb"}


def statements(url: str) -> Callable[[], int]:
    """Counts what SQLAlchemy hands to the driver of this kind of database, in this process."""
    kind, seen = sa.make_url(url).get_backend_name(), [0]

    def one(connection: sa.Connection, *_: object) -> None:
        seen[0] += connection.dialect.name == kind

    sa.event.listen(sa.Engine, "before_cursor_execute", one)
    return lambda: seen[0]


# --- the contestants


def ours(url: str, name: str) -> Contestant:
    breaker = CircuitBreaker("bench", store=store_from_url(url))
    breaker.status()
    counter = {"redis": commands, "memory": lambda _: lambda: 0}.get(name, statements)
    return Contestant(f"breakwall, {name}", in_batches(lambda: breaker.call(work)), counter(url), breaker)


def through_pybreaker(url: str) -> Contestant:
    storage = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, redis.Redis.from_url(url))
    breaker = pybreaker.CircuitBreaker(name="bench", state_storage=storage)
    return Contestant("pybreaker, redis", in_batches(lambda: breaker.call(work)), commands(url))


def through_interlock(url: str) -> Contestant:
    breaker = interlock.CircuitBreaker(name="bench", storage=RedisStorage(redis.Redis.from_url(url)))
    return Contestant("interlock-cb, redis", in_batches(lambda: breaker.call(work)), commands(url))


def through_purgatory(url: str, loop: asyncio.AbstractEventLoop) -> Contestant:
    """Its decorator, because a breaker object that is kept does not read the shared state."""
    factory = purgatory.AsyncCircuitBreakerFactory(uow=purgatory.AsyncRedisUnitOfWork(url))
    loop.run_until_complete(factory.initialize())

    @factory("bench")
    async def call() -> int:
        return work()

    async def calls(seconds: float) -> int:
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            await call()
            count += 1
        return count

    return Contestant(
        "purgatory, redis", lambda seconds: loop.run_until_complete(calls(seconds)), commands(url)
    )


@contextlib.contextmanager
def contestants() -> Iterator[list[Contestant]]:
    with contextlib.ExitStack() as stack:

        def store(kind: str) -> str:
            return stack.enter_context(shared_store(kind))

        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        us = [ours("memory://", "memory"), *(ours(store(kind), kind) for kind in KINDS)]
        for one in us:
            if one.breaker is not None:
                stack.callback(one.breaker.close)
        yield [
            *us,
            through_interlock(store("redis")),
            through_pybreaker(store("redis")),
            through_purgatory(store("redis"), loop),
        ]


# --- the three parts


def closed_calls(entries: list[Contestant]) -> None:
    for one in entries:
        one.run(0.05)
    for _ in range(ROUNDS):
        for one in entries:
            one.go(ROUND_SECONDS)
    memory = entries[0].times
    print(f"{'one closed call':24}{'median':>12}{'best':>12}{'× memory, both':>18}{'round trips a call':>22}")
    for one in entries:
        median, best = statistics.median(one.times), min(one.times)
        ratios = f"{median / statistics.median(memory):.2f}, {best / min(memory):.2f}"
        print(
            f"{one.name:24}{median * 1e6:9.3f} µs{best * 1e6:9.3f} µs{ratios:>18}{one.counted / one.calls:22.6f}"
        )


def paces(us: list[Contestant]) -> None:
    print(f"\n{'round trips a second at':24}" + "".join(f"{pace or 'all it can':>12}" for pace in PACES))
    for one in us:
        trips, calls = zip(*(_steady(one, pace) for pace in PACES), strict=True)
        print(
            f"{one.name:24}"
            + "".join(f"{each:12.1f}" for each in trips)
            + f"   ({calls[-1]:,.0f} calls a second)"
        )


def _steady(one: Contestant, pace: int | None) -> tuple[float, float]:
    """Round trips and calls, both a second."""
    run = at_pace(one.call, pace) if pace else one.run
    before = one.trips()
    calls = run(PACE_SECONDS)
    return (one.trips() - before) / PACE_SECONDS, calls / PACE_SECONDS


def slow_calls(us: list[Contestant]) -> None:
    runs = {"no breaker": rest} | {one.name: functools.partial(one.call, rest) for one in us}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(SLOW_ROUNDS):
        for name, call in runs.items():
            times[name].append(together(call))
    print(f"\n{f'{THREADS} threads × {SLOW_CALL} s':24}{'median':>12}{'worst':>12}")
    for name, seconds in times.items():
        print(f"{name:24}{statistics.median(seconds):10.3f} s{max(seconds):10.3f} s")


def rest() -> None:
    time.sleep(SLOW_CALL)


def first_calls() -> None:
    print(f"\n{'the same, first call':24}{'median':>12}{'worst':>12}   of {FRESH_PROCESSES} fresh processes")
    for kind in ("no breaker", "memory", *KINDS):
        seconds = [_first_call_on(kind) for _ in range(FRESH_PROCESSES)]
        print(f"{kind:24}{statistics.median(seconds):10.3f} s{max(seconds):10.3f} s")


def _first_call_on(kind: str) -> float:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(shared_store(kind)) if kind in KINDS else kind
        shown = subprocess.run(
            [sys.executable, __file__, "--first-call", url], check=True, capture_output=True, text=True
        )
        return float(shown.stdout)


def first_call(url: str) -> float:
    """Seconds of ten threads with the first calls of this process, on a store without its table."""
    if url == "no breaker":
        return together(rest)
    url = "memory://" if url == "memory" else url
    with contextlib.closing(CircuitBreaker("first", store=store_from_url(url))) as breaker:
        return together(lambda: breaker.call(rest))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first-call", metavar="URL", help=argparse.SUPPRESS)
    url = parser.parse_args().first_call
    if url is not None:
        print(first_call(url))
        return 0
    with contestants() as entries:
        closed_calls(entries)
        us = [one for one in entries if one.breaker is not None]
        paces(us)
        slow_calls(us)
    first_calls()
    return 0


if __name__ == "__main__":
    sys.exit(main())
