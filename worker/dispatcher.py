"""Publishes due orders, again if no worker claims them, and makes the orders of dead workers due again."""

from collections.abc import Callable

from breakwall.breaker import CircuitBreaker
from breakwall.broker.publisher import Publisher
from breakwall.crashpoints import reach
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.settings import DispatchSettings

# The limit of messages that wait at the broker, in a dispatcher's first run and in its first run after the circuit has
# closed. Each run doubles it. Each dispatcher has its own limit, and counts the messages of all.
FIRST_STEP = 10


class Dispatcher:
    """Publishes due orders in `run_once`, which `DispatchLoop` repeats.

    Of the breaker it reads only the status. While the circuit permits no calls, or an operator has paused the drain
    (``is_paused``), it publishes nothing and reads no due order: a run then costs the same however long the queue is.
    ``depth`` gives the number of messages that wait at the broker, or None if it does not answer. ``on_blocked`` is
    called in each such run, because the worker is not idle; ``prune`` after each run that published less than a full
    batch.
    """

    def __init__(
        self,
        due: DispatchQueue,
        breaker: CircuitBreaker,
        publisher: Publisher,
        depth: Callable[[], int | None],
        settings: DispatchSettings,
        *,
        is_paused: Callable[[], bool] = lambda: False,
        on_blocked: Callable[[], None] = lambda: None,
        prune: Callable[[], object] = lambda: None,
    ) -> None:
        self._due = due
        self._breaker = breaker
        self._publisher = publisher
        self._depth = depth
        self._settings = settings
        self._is_paused = is_paused
        self._on_blocked = on_blocked
        self._prune = prune
        # A new dispatcher starts small too: an outage that it did not see may just have ended.
        self._step = FIRST_STEP

    def run_once(self) -> int:
        """Take back expired claims, publish as many due orders as there is room for, then prune a little.

        Returns how many were published, or raises `DatabaseUnavailableError`.
        """
        sent = self._publish_due()
        # Due orders come before pruning.
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
        """How many orders may be published: few while the circuit probes, 0 if it may publish none."""
        slots = 0 if self._is_paused() else self._breaker.status().slots
        allowed = self._allowed_messages(slots)
        if allowed == 0:
            self._on_blocked()
            return 0
        depth = self._depth()
        return 0 if depth is None else min(self._settings.batch, allowed - depth)

    def _allowed_messages(self, slots: int | None) -> int:
        window = self._settings.window
        if slots is not None:
            self._step = FIRST_STEP
            return min(slots, window)
        # If the backlog of hours were published at once, it would overload the service again (Shopify/semian#146). So
        # the number of messages doubles from run to run, as in TCP's slow start.
        step, self._step = self._step, min(2 * self._step, window)
        return min(step, window)
