"""One poller for all pages and requests of a process: however many look, the database is asked once in two seconds."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from breakwall.log_throttle import throttled
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.workers import Worker
from breakwall.producers.threads import ThreadPool
from breakwall.web.stopping import Stopping

log = logging.getLogger("breakwall.web")

INTERVAL = 2.0  # Seconds from one snapshot to the next: people do not read faster.
SLOW = 10.0  # Seconds for which a snapshot is shown as the newest one while the next one is awaited.
FIRST_TIMEOUT = 5.0  # Seconds for which the other threads wait for the first snapshot of a process.


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest snapshot. If a later one failed, ``problem`` says why, and the numbers are as old as ``taken`` says.

    Attributes:
        number: a later look has a larger one.
        backlog, fleet: None and empty if no snapshot has ever succeeded.
        taken: when the snapshot was taken, in monotonic seconds.
        problem: a sentence for operators; None if the last look has succeeded.
    """

    number: int
    backlog: Backlog | None
    fleet: tuple[Worker, ...]
    taken: float
    problem: str | None = None


class Live:
    """Looks while somebody listens, and for requests if the last look is too old.

    `latest` and `look_again` are safe for threads; all else runs in the event loop.
    """

    def __init__(
        self,
        monitor: Monitor,
        stopping: Stopping,
        *,
        interval: float = INTERVAL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monitor = monitor
        self._stopping = stopping
        self._interval = interval
        self._monotonic = monotonic
        self._report = throttled(log.warning)
        self._lock = threading.Lock()  # Around a look.
        self._seen = Seen(0, None, (), float("-inf"))
        self._looked_at = float("-inf")
        self._is_outdated = False
        # The end of the event loop would wait for a thread of its own.
        self._thread = ThreadPool(1, "breakwall-snapshot")
        self._listeners = 0
        self._polling: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether the process stops."""
        return self._stopping.begun

    def age(self, seen: Seen) -> float:
        """Seconds since its numbers were taken."""
        return self._monotonic() - seen.taken

    def latest(self, max_age: float = INTERVAL) -> Seen:
        """What was seen within the last ``max_age`` seconds, or is seen now. Waits for the database, never raises.

        While one thread looks, the others get what was seen before. If that is old, it says so as a problem. Whoever
        comes after `look_again` waits for the new look.
        """
        has_to_wait = self._is_outdated or not self._seen.number
        if self._is_due(max_age) and self._lock.acquire(timeout=FIRST_TIMEOUT if has_to_wait else 0.0):
            try:
                if self._is_due(max_age):
                    # Before the look, which may be too early for a change that comes now.
                    self._is_outdated = False
                    self._seen = self._look()
                    self._looked_at = self._monotonic()
            finally:
                self._lock.release()
        return self._dated(self._seen)

    def _is_due(self, max_age: float) -> bool:
        return self._is_outdated or self._monotonic() - self._looked_at >= max_age

    def _dated(self, seen: Seen) -> Seen:
        if seen.problem is not None or seen.backlog is None or self.age(seen) < SLOW:
            return seen
        return replace(seen, problem="the orders database has not answered for seconds: the numbers are old")

    def look_again(self) -> None:
        """Somebody has changed something here: whoever asks next sees it, however new the last snapshot is."""
        self._is_outdated = True

    async def close(self) -> None:
        """Wait until the look in hand has ended."""
        await asyncio.wrap_future(self._thread.call(lambda: None))
        self._thread.close()

    async def snapshots(self) -> AsyncIterator[Seen]:
        """What was seen last, and then each new one, until the process stops. A slow reader misses those between."""
        with self.listening():
            number = 0
            while (seen := await self.newer(number)) is not None:
                number = seen.number
                yield seen

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it, snapshots are taken."""
        self._listeners += 1
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._listeners -= 1
            if self._listeners == 0 and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def newer(self, number: int, *, within: float | None = None) -> Seen | None:
        """The newest snapshot after that number, as soon as there is one. Only while `listening`.

        None: the process stops, or there was none ``within`` so many seconds.
        """
        end = None if within is None else self._monotonic() + within
        while not self._stopping.begun:
            if self._seen.number > number:
                return self._seen
            left = None if end is None else end - self._monotonic()
            if left is not None and left <= 0:
                return None
            await self._wait(left)
        return None

    async def _wait(self, seconds: float | None) -> None:
        """For the next snapshot or for the end of the process."""
        waits = {asyncio.create_task(self._changed.wait()), asyncio.create_task(self._stopping.wait())}
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _poll(self) -> None:
        # The first listener gets what a request has just seen. A sleep may end a little early.
        while True:
            await asyncio.wrap_future(self._thread.call(partial(self.latest, 0.9 * self._interval)))
            self._changed.set()
            self._changed = asyncio.Event()
            if await self._stopping.sleep_or_stop(self._interval):
                return

    def _look(self) -> Seen:
        number = self._seen.number + 1
        try:
            backlog, fleet = self._monitor.snapshot_with_workers()
        except Exception as error:
            return Seen(number, self._seen.backlog, self._seen.fleet, self._seen.taken, self._problem(error))
        return Seen(number, backlog, tuple(fleet), self._monotonic())

    def _problem(self, error: Exception) -> str:
        """For callers and for the page. An error's text may name a host or hold a driver's words: the log has it."""
        if isinstance(error, DatabaseUnavailableError):
            self._report(f"no snapshot of the backlog: {error}")
            return "The orders database does not answer."
        self._report(f"no snapshot of the backlog: {type(error).__name__}")
        return f"The snapshot failed ({type(error).__name__}); the log of this process has more."
