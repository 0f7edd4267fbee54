"""A bounded number of threads for the calls of one destination. A call that never returns keeps its thread."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from breakwall.host.exhaustion import EXHAUSTION_ERRORS


class PooledCall(Protocol):
    """A call for the pool. Its methods raise nothing."""

    @property
    def start_by(self) -> float:
        """After this moment of the pool's clock it must not begin."""
        ...

    def run(self) -> None: ...

    def report_overdue(self) -> None:
        """It runs longer than the pool's bound."""
        ...

    def drop(self) -> None:
        """It will not begin, or ended without saying how."""
        ...


@dataclass(slots=True, eq=False)
class _Running:
    call: PooledCall
    since: float
    overdue: bool = False


class CallPool:
    """Runs calls in at most ``threads`` daemon threads, which start with the first calls. Safe for threads.

    Args:
        depth: calls that may wait or run.
        bound: seconds after which a running call is overdue: its thread is not counted on any more.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        depth: int,
        bound: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._threads, self._depth, self._bound, self._clock = name, threads, depth, bound, clock
        self._waiting: deque[PooledCall] = deque()
        self._running: set[_Running] = set()
        self._started = self._idle = 0
        self._stopped = False
        self._lock = threading.Lock()
        self._wanted = threading.Condition(self._lock)  # A call waits, or the pool stops: for idle threads.
        self._returned = threading.Condition(self._lock)  # A call has ended: for who stops the pool.

    @property
    def room(self) -> int:
        """How many more calls it takes: none while every thread is stuck."""
        with self._lock:
            stuck = self._stuck()
            in_hand = len(self._waiting) + len(self._running) - stuck
            return 0 if stuck >= self._threads or self._stopped else max(0, self._depth - in_hand)

    @property
    def stuck(self) -> int:
        """How many threads are in calls that are overdue."""
        with self._lock:
            return self._stuck()

    @property
    def is_blocked(self) -> bool:
        """Whether every thread is in a call that is overdue."""
        return self.stuck >= self._threads

    def submit(self, call: PooledCall) -> None:
        """Run it as soon as a thread is free. Without any thread it is dropped."""
        with self._lock:
            self._waiting.append(call)
            self._wanted.notify()
            if len(self._waiting) > self._idle and self._started < self._threads:
                self._start_thread()
            lost = self._drop_waiting() if not self._started else []
        for one in lost:
            one.drop()

    def check(self) -> None:
        """Report each call that has become overdue, and drop those that can no longer begin."""
        now = self._clock()
        with self._lock:
            late = [one for one in self._running if not one.overdue and now - one.since > self._bound]
            for one in late:
                one.overdue = True
            all_stuck = self._stuck() >= self._threads
            dropped = self._drop_waiting(lambda call: all_stuck or now >= call.start_by)
        for one in late:
            one.call.report_overdue()
        for call in dropped:
            call.drop()

    def ask_to_stop(self) -> None:
        """Drop what waits, and begin no more calls. Does not wait."""
        with self._lock:
            self._stopped = True
            dropped = self._drop_waiting()
            self._wanted.notify_all()
        for call in dropped:
            call.drop()

    def stop(self, timeout: float) -> bool:
        """Drop what waits, and wait for the running calls at most ``timeout`` seconds. Whether all have ended."""
        self.ask_to_stop()
        with self._lock:
            self._returned.wait_for(lambda: all(one.overdue for one in self._running), timeout)
            return not self._running

    def _stuck(self) -> int:
        return sum(one.overdue for one in self._running)

    def _drop_waiting(self, which: Callable[[PooledCall], bool] = lambda call: True) -> list[PooledCall]:
        dropped = [call for call in self._waiting if which(call)]
        if dropped:
            self._waiting = deque(call for call in self._waiting if call not in dropped)
        return dropped

    def _start_thread(self) -> None:
        number = self._started + 1
        thread = threading.Thread(target=self._work, name=f"breakwall-{self._name}-{number}", daemon=True)
        # Without another thread, those that run work on it.
        with suppress(*EXHAUSTION_ERRORS):
            thread.start()
            self._started = number

    def _work(self) -> None:
        while (running := self._next()) is not None:
            try:
                running.call.run()
            # It promised to raise nothing. The thread must survive it: it is one of few, and is not started again.
            except BaseException:
                with suppress(BaseException):
                    running.call.drop()
            finally:
                with self._lock:
                    self._running.discard(running)
                    self._returned.notify_all()

    def _next(self) -> _Running | None:
        with self._lock:
            self._idle += 1
            self._wanted.wait_for(lambda: self._waiting or self._stopped)
            self._idle -= 1
            if self._stopped:
                return None
            running = _Running(self._waiting.popleft(), self._clock())
            self._running.add(running)
            return running
