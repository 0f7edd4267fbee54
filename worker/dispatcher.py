"""Publishes due orders, again if no worker claims them, and makes the orders of dead workers due again."""

import time
from collections.abc import Callable

from breakwall.broker.connections.base import IDS_A_MESSAGE
from breakwall.broker.publisher import Publisher
from breakwall.crashpoints import reach
from breakwall.payments.ledger.accept import PUBLISH_GRACE
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.settings import DispatchSettings
from breakwall.worker.gate import Gate

# The limit of orders that wait at the broker or in this worker, in a dispatcher's first run and in its first run after
# the gate has opened. Each run that finds half of them done doubles it. Each dispatcher has its own limit, and counts
# the messages of all.
FIRST_STEP = 10
# Seconds between two calls under a rate, from which on what was published lasts until the next interval.
SLOW = 0.2
INTERVALS_A_LOOK = 2  # From one look for expired claims that finds none to the next.


class Dispatcher:
    """Publishes due orders in `run_once`, which `DispatchLoop` repeats.

    While the gate is closed, it publishes nothing and reads no due order: a run then costs the same however long the
    queue is. ``depth`` gives the number of messages that wait at the broker, or None if it does not answer; ``held``
    the number of orders that this worker has in hand. ``on_blocked`` is called in each run that the gate blocks,
    because such a worker is not idle; ``prune`` in each interval in which less than a full batch was published.
    ``expire`` ends orders whose last moment has passed, also while the gate is closed; it returns something true if it
    has ended some.
    """

    def __init__(
        self,
        due: DispatchQueue,
        gate: Gate,
        publisher: Publisher,
        depth: Callable[[], int | None],
        settings: DispatchSettings,
        *,
        held: Callable[[], int] = lambda: 0,
        on_blocked: Callable[[], None] = lambda: None,
        prune: Callable[[], object] = lambda: None,
        expire: Callable[[], object] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._due = due
        self._gate = gate
        self._publisher = publisher
        self._depth = depth
        self._settings = settings
        self._held = held
        self._on_blocked = on_blocked
        self._prune = prune
        self._expire = expire
        self._monotonic = monotonic
        self._next_upkeep = float("-inf")
        self._next_look = float("-inf")  # For expired claims, and for orders whose last moment has passed.
        # A new dispatcher starts small too: an outage that it did not see may just have ended.
        self._allowed = 0
        self._began: float | None = None  # When it could publish for the first time.
        self.is_draining = False  # Whether the next run soon has something to publish again.

    def run_once(self) -> int:
        """Publish as many due orders as there is room for; once in an interval also prune.

        In every second interval it first takes expired claims back and ends orders whose last moment has passed, and in
        the next one again if there were some.
        Returns how many were published, or raises `DatabaseUnavailableError`.
        """
        self.is_draining = False
        now = self._monotonic()
        is_upkeep_due = now >= self._next_upkeep
        if is_upkeep_due:
            self._next_upkeep = now + self._settings.interval
            self._take_back_expired(now)
        sent = self._publish_due(now)
        # Due orders come before pruning.
        if is_upkeep_due and sent < self._settings.batch:
            self._prune()
        return sent

    def _take_back_expired(self, now: float) -> None:
        # A claim expires many seconds after its worker has died, so one more does not matter; a commit a second does.
        if now < self._next_look:
            return
        reclaimed, ended = self._due.reclaim_expired(), self._expire()
        if not (reclaimed or ended):
            self._next_look = now + INTERVALS_A_LOOK * self._settings.interval

    def _publish_due(self, now: float) -> int:
        room = self._room()
        if room <= 0:
            return 0
        after = self._settings.republish_after
        # An order that was just published is due again after ``after``, so the next run must not look so far ahead.
        ahead = min(self._grace_left(now), after / 2)
        chosen = self._due.take_due(room, republish_after=after, ahead=ahead)
        self.is_draining = bool(chosen)
        if not chosen:
            return 0
        reach("before", "publish")
        sent = self._publisher.publish_many(chosen)
        reach("after", "publish")
        if sent < len(chosen):
            self._due.give_back_due(chosen[sent:])
        return sent

    def _grace_left(self, now: float) -> float:
        """The seconds of the producers' grace that orders from before this dispatcher still have.

        They do not wait for its end: the broker may have been started with this worker, so that no producer reached it.
        A second message of an order finds nothing to claim.
        """
        if self._began is None:
            self._began = now
        return max(0.0, self._began + PUBLISH_GRACE - now)

    def _room(self) -> int:
        """How many orders may be published: few while the circuit probes, 0 if it is open or the broker is silent."""
        allowance = self._gate.allowance()
        slots = allowance.slots
        if slots == 0:
            self._allowed = 0
            self._on_blocked()
            return 0
        depth = self._depth()
        if depth is None:
            return 0
        # A message at the broker may have fewer orders. Then some more are published a moment later.
        waiting = depth * IDS_A_MESSAGE + self._held()
        self._allowed = self._step(waiting) if slots is None else 0
        allowed = min(self._allowed if slots is None else slots, self._settings.window)
        self.is_draining = waiting >= allowed and allowance.retry_after < SLOW
        return min(self._settings.batch, allowed - waiting)

    def _step(self, waiting: int) -> int:
        # If the backlog of hours were published at once, it would overload the service again (Shopify/semian#146). So
        # the number of orders doubles as they are done, as in TCP's slow start.
        if waiting > self._allowed // 2:
            return self._allowed or FIRST_STEP
        return min(2 * self._allowed, self._settings.window) or FIRST_STEP
