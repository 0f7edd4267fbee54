"""Publishes the orders that are due and have no live message, and takes back those of dead workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from breakwall.breaker import CircuitBreaker
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import Lacks, lack_of
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.ledger.dispatch_queue import DueOrders
from breakwall.settings import DispatchSettings

FIRST_STEP = 10
"""Messages that may wait at the broker at a dispatcher's first look, and at the first after the circuit has closed.
Each look doubles them. Each dispatcher grows for itself; what waits at the broker they share."""


class Publisher(Protocol):
    """Sends messages within bounds; returns how many were sent, and never raises."""

    def publish_many(self, order_ids: list[str]) -> int: ...


class Dispatcher:
    """One look at what is due, `run_once`; the loop around it is `DispatchLoop`.

    Args:
        due: the orders that wait.
        breaker: read, never asked for a permit: while it refuses, nothing is published, so that an outage
            costs one look at its state however long the queue is.
        publisher: sends the messages.
        depth: messages that wait at the broker; None when it does not answer.
        settings: how much and how often.
        held_back: told at each look at which the circuit refuses, so that nobody takes the worker for idle.
        prune: called after each look that had less to publish than it may.
    """

    def __init__(
        self,
        due: DueOrders,
        breaker: CircuitBreaker,
        publisher: Publisher,
        depth: Callable[[], int | None],
        settings: DispatchSettings,
        *,
        held_back: Callable[[], None] = lambda: None,
        prune: Callable[[], object] = lambda: None,
    ) -> None:
        self._due = due
        self._breaker = breaker
        self._publisher = publisher
        self._depth = depth
        self._settings = settings
        self._held_back = held_back
        self._prune = prune
        # Also at its start, which may be at the end of an outage that others have seen.
        self._step: int | None = FIRST_STEP

    def run_once(self) -> int:
        """Take back expired claims, publish as many due orders as there is room for, then prune a little.

        Returns how many were published.

        Raises:
            DatabaseUnavailableError: nothing was published, or what was is not counted.
        """
        sent = self._publish_due()
        # Orders that wait go before those that are over.
        if sent < self._settings.batch:
            self._prune()
        return sent

    def _publish_due(self) -> int:
        self._due.reclaim_expired()
        room = self._room()
        if room <= 0:
            return 0
        chosen = self._due.take_due(room, republish_after=self._settings.republish_after)
        if not chosen:
            return 0
        reach("before", "publish")
        sent = self._publisher.publish_many(chosen)
        reach("after", "publish")
        if sent < len(chosen):
            self._due.give_back_due(chosen[sent:])
        return sent

    def _room(self) -> int:
        """How many orders may be published: few while the circuit probes, none while it is open."""
        slots = self._breaker.status().slots
        at_once = self._growing_step() if slots is None else self._stop_growing(slots)
        if at_once == 0:
            self._held_back()
            return 0
        depth = self._depth()
        return 0 if depth is None else min(self._settings.batch, at_once - depth)

    def _growing_step(self) -> int:
        # From nothing to everything at once, the hours that have waited would be the second outage
        # (Shopify/semian#146). As TCP does it: double what is on its way as long as all goes well.
        window = self._settings.window
        if self._step is None:
            return window
        step, self._step = self._step, 2 * self._step
        if step >= window:
            self._step = None
        return min(step, window)

    def _stop_growing(self, slots: int) -> int:
        self._step = FIRST_STEP
        return min(slots, self._settings.window)


class DispatchLoop:
    """Runs a dispatcher in a thread of its own until it is stopped.

    Args:
        dispatcher: what to run.
        interval: seconds between two looks; a full batch is followed by the next look at once.
        batch: how many orders make a full batch.
        report: told, in a sentence, when a look failed, and when the database answers again; the loop goes on.
        lacks: told instead, when it failed for want of something that the process has run out of.
        after_look: called after each look.
        monotonic: seconds, for how long the database was away.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        interval: float,
        batch: int,
        report: Callable[[str], None],
        lacks: Lacks,
        after_look: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dispatcher = dispatcher
        self._interval = interval
        self._batch = batch
        self._report = report
        self._after_look = after_look
        self._lacks = lacks
        self._monotonic = monotonic
        self._lost_at: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End the loop after the look that it is at; does not wait for it."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait until the loop has ended, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            full = self._look() >= self._batch
            self._after_look()
            self._stopped.wait(0 if full else self._interval)

    def _look(self) -> int:
        try:
            sent = self._dispatcher.run_once()
        except DatabaseUnavailableError as error:
            self._lost_at = self._monotonic() if self._lost_at is None else self._lost_at
            self._tell(str(error), error)
        except Exception as error:
            self._tell(f"the dispatcher failed and goes on: {type(error).__name__}: {error}", error)
        else:
            self._say_that_it_is_back()
            self._lacks.enough()
            return sent
        return 0

    def _say_that_it_is_back(self) -> None:
        if self._lost_at is not None:
            lasted, self._lost_at = self._monotonic() - self._lost_at, None
            self._report(f"the orders database answers again, after {lasted:,.0f} s")

    def _tell(self, sentence: str, error: Exception) -> None:
        lack = lack_of(error)
        if lack is None:
            self._report(sentence)
        else:
            self._lacks.report(lack)
