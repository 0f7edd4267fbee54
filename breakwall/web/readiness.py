"""What an API process depends on, and whether it can accept orders now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection, text

from breakwall.log_throttle import throttled
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.drain_speed import is_read_only
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.db.revisions import check_revision
from breakwall.producers.threads import ThreadPool

log = logging.getLogger("breakwall.api")

TIMEOUT = 1.0  # Seconds that a dependency has for its answer.
KEPT = 1.0  # Seconds that an answer is used again, so that any number of probes cost one.

DATABASE, BREAKER_STORE, BROKER = "database", "breaker_store", "broker"


@dataclass(frozen=True, slots=True)
class DependencyAnswer:
    """What a dependency said. ``problem`` is a word for programs, without any address; None: it works."""

    problem: str | None = None
    revision: str | None = None  # Of the database's tables.


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """An answer, and how many milliseconds it took; None if there was none in `TIMEOUT`."""

    answer: DependencyAnswer
    latency_ms: float | None


Check = Callable[[], DependencyAnswer]


def checks_of(monitor: Monitor) -> dict[str, Check]:
    """What to ask, by the dependency's name. They may block, and may raise anything."""
    return {
        DATABASE: lambda: _database(monitor),
        BREAKER_STORE: lambda: _breaker_store(monitor),
        BROKER: lambda: _broker(monitor),
    }


class Readiness:
    """Asks all dependencies at the same time, each with `TIMEOUT`. One for an event loop.

    A check that hangs is not started a second time, so that it costs one thread.
    """

    def __init__(self, checks: Mapping[str, Check], clock: Callable[[], float] = time.monotonic) -> None:
        self._checks = checks
        self._clock = clock
        self._threads = ThreadPool(len(checks), "breakwall-readiness")
        self._running: dict[str, asyncio.Future[TimedAnswer]] = {}
        self._seen: dict[str, TimedAnswer] = {}
        self._seen_at: float | None = None
        self._turn = asyncio.Lock()

    async def look(self) -> dict[str, TimedAnswer]:
        """Each dependency by its name, at most `KEPT` seconds old."""
        async with self._turn:
            if self._seen_at is None or self._clock() - self._seen_at >= KEPT:
                found = await asyncio.gather(*(self._ask(name) for name in self._checks))
                self._seen = dict(zip(self._checks, found, strict=True))
                self._seen_at = self._clock()
            return self._seen

    async def _ask(self, name: str) -> TimedAnswer:
        running = self._running.get(name)
        # An answer that came too late is not used: since then the dependency may have failed again.
        if running is None or running.done():
            running = self._running[name] = self._start(name)
        done, _ = await asyncio.wait([running], timeout=TIMEOUT)
        if not done:
            return TimedAnswer(DependencyAnswer("timeout"), None)
        del self._running[name]
        return running.result()

    def _start(self, name: str) -> asyncio.Future[TimedAnswer]:
        done: Future[TimedAnswer] = Future()
        check = self._checks[name]
        self._threads.submit(lambda: done.set_result(_timed(name, check)))
        return asyncio.wrap_future(done)


def _timed(name: str, check: Check) -> TimedAnswer:
    begun = time.perf_counter()
    try:
        answer = check()
    except Exception as error:  # Its text may hold an address: it is for the log alone.
        _warn(f"the readiness check found that the {name.replace('_', ' ')} does not work: {error}")
        answer = DependencyAnswer(getattr(error, "kind", "failure"))
    return TimedAnswer(answer, round((time.perf_counter() - begun) * 1000, 2))


_warn = throttled(log.warning)


def _database(monitor: Monitor) -> DependencyAnswer:
    revision, read_only = monitor.database.read(_revision_and_mode)
    check_revision(revision)
    if read_only:
        raise DatabaseUnavailableError("the orders database takes no changes: it is a standby, or set so")
    return DependencyAnswer(revision=revision)


def _revision_and_mode(connection: Connection) -> tuple[str | None, bool]:
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision, is_read_only(connection)


def _breaker_store(monitor: Monitor) -> DependencyAnswer:
    return DependencyAnswer(None if monitor.breaker.status().store_ok else "no_answer")


def _broker(monitor: Monitor) -> DependencyAnswer:
    if monitor.is_started is not None and not monitor.is_started():
        return DependencyAnswer("not_started")
    return DependencyAnswer(None if monitor.depth() is not None else "no_answer")
