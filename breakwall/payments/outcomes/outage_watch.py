"""Notices that a destination takes nothing: its circuit opens, and later its oldest outcome waits for long."""

import logging
import time
from collections.abc import Callable, Sequence

from breakwall.breaker import CircuitBreaker, CircuitState, Event, Transition
from breakwall.log_throttle import LogThrottle
from breakwall.payments.outcomes.channel import Channel

log = logging.getLogger("breakwall.outcomes")

LOOK = 60.0  # Seconds between two looks.


class OutageWatch:
    """Says which destinations may be in an outage that nobody was told about. For one thread."""

    def __init__(self, channels: Sequence[Channel], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._channels, self._clock = channels, clock
        self._next_look = clock() + LOOK
        self._reported: set[str] = set()
        for channel in channels:
            log_circuit(channel.breaker, channel.name, clock)

    def suspects(self) -> list[str]:
        """The destinations whose circuit is not closed, without those that were reported. At most once a minute."""
        if self._clock() < self._next_look:
            return []
        self._next_look = self._clock() + LOOK
        failing = {
            channel.name
            for channel in self._channels
            if channel.breaker.status().state is not CircuitState.CLOSED
        }
        self._reported &= failing
        return sorted(failing - self._reported)

    def reported(self, name: str) -> None:
        """There is an incident now. The next one comes after the circuit was closed."""
        self._reported.add(name)


def log_circuit(breaker: CircuitBreaker, name: str, clock: Callable[[], float]) -> None:
    """Log when the circuit opens and when it closes after that: each at most once a minute. Probes are not logged."""
    throttle, is_open = LogThrottle(clock), False

    def hear(event: Event) -> None:
        nonlocal is_open
        if not isinstance(event, Transition):
            return
        if event.after is CircuitState.OPEN and not is_open:
            is_open = True
            if throttle.admit("opened"):
                log.warning(
                    "the circuit %s opened: the %s takes no outcomes, and they wait", event.name, name
                )
        elif event.after is CircuitState.CLOSED and is_open:
            is_open = False
            if throttle.admit("closed"):
                log.warning("the circuit %s closed: the %s takes outcomes again", event.name, name)

    breaker.listen(hear)
