"""The end of a process, as its requests and event streams see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_STOP = 3.5  # Seconds from the signal to the end. The promise is 5, on a busy machine too.
ANSWER_AFTER = 0.8  # Seconds in which the charges of the requests in hand can still end.


class Stopping:
    """Set once, when the process is asked to stop. Everything here runs in the event loop.

    Whatever lasts, such as an event stream, ends soon after `begun`: it waits with `sleep_or_stop`, never with
    `asyncio.sleep`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._event = asyncio.Event()
        self._ends_by: float | None = None
        self._answer: asyncio.Future[None] | None = None

    @property
    def answer(self) -> asyncio.Future[None]:
        """Done `ANSWER_AFTER` seconds after the begin: whoever waits for an order's end answers with what is known."""
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
        return self._answer

    @property
    def begun(self) -> bool:
        """Whether the process stops."""
        return self._event.is_set()

    @property
    def seconds_left(self) -> float:
        """Until the process ends, whatever is in hand then; at least 0."""
        return LONGEST_STOP if self._ends_by is None else max(0.0, self._ends_by - self._clock())

    def begin(self) -> None:
        """Let everything that waits here end. The second time it does nothing."""
        if self._ends_by is None:
            self._ends_by = self._clock() + LONGEST_STOP
            asyncio.get_running_loop().call_later(ANSWER_AFTER, self._end_waits)
        self._event.set()

    def _end_waits(self) -> None:
        if not self.answer.done():
            self.answer.set_result(None)

    async def wait(self) -> None:
        """Return when the process stops."""
        await self._event.wait()

    async def result_or_stop(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``; None if the process stops before, which cancels it. Raises as ``work``."""
        working, stops = asyncio.create_task(work), asyncio.create_task(self.wait())
        try:
            await asyncio.wait({working, stops}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            stops.cancel()

    async def sleep_or_stop(self, seconds: float) -> bool:
        """Sleep, at most until the process stops. Returns whether it stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        return self.begun
