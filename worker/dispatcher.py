"""Publishes due orders that have no live message, and takes back those of dead workers."""

from collections.abc import Callable

from breakwall.breaker import CircuitBreaker
from breakwall.broker.publisher import Publisher
from breakwall.crashpoints import reach
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.settings import DispatchSettings

# Messages that may wait at the broker at a dispatcher's first look, and at the first after the circuit has
# closed. Each look doubles the number. Each dispatcher counts for itself; the messages that wait they share.
FIRST_STEP = 10


class Dispatcher:
    """One look at the due orders, `run_once`. `DispatchLoop` repeats it.

    Args:
        due: the orders that wait.
        breaker: only its status is read. While it refuses calls, nothing is published: an outage then costs one
            look at the status, however long the queue is.
        publisher: sends the messages.
        depth: messages that wait at the broker; None if it does not answer.
        settings: how much and how often.
        on_circuit_refusal: called at each look at which the circuit refuses: such a worker is not idle.
        prune: called after each look that had less to publish than it may.
    """

    def __init__(
        self,
        due: DispatchQueue,
        breaker: CircuitBreaker,
        publisher: Publisher,
        depth: Callable[[], int | None],
        settings: DispatchSettings,
        *,
        on_circuit_refusal: Callable[[], None] = lambda: None,
        prune: Callable[[], object] = lambda: None,
    ) -> None:
        self._due = due
        self._breaker = breaker
        self._publisher = publisher
        self._depth = depth
        self._settings = settings
        self._on_circuit_refusal = on_circuit_refusal
        self._prune = prune
        # A new dispatcher starts small too: an outage that it did not see may just have ended.
        self._step = FIRST_STEP

    def run_once(self) -> int:
        """Take back expired claims, publish as many due orders as there is room for, then prune a little.

        Returns how many were published.

        Raises:
            DatabaseUnavailableError: what was published until then is not counted.
        """
        sent = self._publish_due()
        # Waiting orders go before finished ones.
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
        """How many orders may be published: none while the circuit is open, few while it probes."""
        allowed = self._allowed_messages(self._breaker.status().slots)
        if allowed == 0:
            self._on_circuit_refusal()
            return 0
        depth = self._depth()
        return 0 if depth is None else min(self._settings.batch, allowed - depth)

    def _allowed_messages(self, slots: int | None) -> int:
        window = self._settings.window
        if slots is not None:
            self._step = FIRST_STEP
            return min(slots, window)
        # To publish the backlog of hours at once would be the second outage (Shopify/semian#146). So the number
        # of messages doubles as long as all goes well, as in TCP's slow start.
        step, self._step = self._step, min(2 * self._step, window)
        return min(step, window)
