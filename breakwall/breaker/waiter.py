"""Who waits for the store, and for how long: a thread or an event loop, at most a store time-out a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TypeVar, cast

from breakwall.breaker import forking
from breakwall.breaker.belief import Belief
from breakwall.breaker.contact import Contact
from breakwall.breaker.courier import Courier, Ticket

T = TypeVar("T")

# A series of exchanges to wait for, one after the other, so that a thread and an event loop wait each in
# its own way: `Waiter.run` and `Waiter.run_async`.
Steps = Generator[Ticket | None, None, T]


class Waiter:
    """Waits for a courier's exchanges, and announces afterwards what has come of them.

    Args:
        timeout: the store time-out, seconds.
        clock: monotonic seconds.
        announce: called after each wait, outside of every lock.
    """

    def __init__(
        self,
        timeout: float,
        clock: Callable[[], float],
        belief: Belief,
        courier: Courier,
        announce: Callable[[], None],
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._belief = belief
        self._courier = courier
        self._announce = announce

    def run(self, steps: Steps[T]) -> T:
        """Take ``steps``, waiting for all of them at most the store time-out, and before that for the first
        contact. While the store is slow or lost nobody waits.
        """
        forking.notice()
        patience = self._patience()
        try:
            while True:
                self.wait(next(steps), patience(), asked=False)
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    async def run_async(self, steps: Steps[T]) -> T:
        """`run` for an event loop."""
        forking.notice()
        patience = self._patience()
        try:
            while True:
                await self._wait_async(next(steps), patience())
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    def wait(self, ticket: Ticket | None, patience: float, *, asked: bool) -> None:
        """Wait for one exchange, at most ``patience`` seconds; for a store that is slow or lost only if ``asked``."""
        if ticket is not None and self._is_worth_waiting(asked=asked):
            try:
                ticket.result(max(0.0, patience))
            except TimeoutError:
                self._courier.overdue(ticket)
        self._announce()

    def _patience(self) -> Callable[[], float]:
        """Tells, before each of one call's steps, for how many seconds that may be waited for."""
        end: float | None = None

        def left() -> float:
            nonlocal end
            if self._belief.contact is Contact.NEW:
                return max(self._timeout, self._courier.first_patience)
            end = self._clock() + self._timeout if end is None else end
            return end - self._clock()

        return left

    async def _wait_async(self, ticket: Ticket | None, patience: float) -> None:
        if ticket is not None and not ticket.done() and self._is_worth_waiting(asked=False):
            answer = asyncio.wrap_future(ticket)
            _, overdue = await asyncio.wait([answer], timeout=max(0.0, patience))
            if overdue:
                self._courier.overdue(ticket)
        self._announce()

    def _is_worth_waiting(self, *, asked: bool) -> bool:
        return (asked or not self._belief.contact.local) and not self._courier.is_this_thread()
