"""Whether orders may be sent now, and so whether messages are fetched and due orders published."""

from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker import CircuitBreaker

# Seconds after which a gate is asked again that is closed by a person, who may open it at any time.
PAUSED_FOR = 1.0
HANGING_FOR = 0.2  # Seconds, for a service that hangs: it may answer at any time.


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many orders may be sent now.

    Attributes:
        slots: None is any number, and 0 is none. A number is how many probes the circuit permits.
        retry_after: seconds after which to ask again if nothing may be sent, or nothing more yet because of a rate.
        reason: why not any number: ``paused``, ``circuit_open``, ``half_open`` or ``hanging``; else None.
    """

    slots: int | None
    retry_after: float = 0.0
    reason: str | None = None


class Gate:
    """Reads the circuit's status and an operator's pause. Changes nothing. Safe for threads."""

    def __init__(self, breaker: CircuitBreaker, is_paused: Callable[[], bool] = lambda: False) -> None:
        self._breaker = breaker
        self._is_paused = is_paused

    def allowance(self) -> Allowance:
        """What may be sent now. May wait for the breaker's store, at most its timeout."""
        if self._is_paused():
            return Allowance(0, PAUSED_FOR, "paused")
        status = self._breaker.status()
        background = status.background_slots
        if status.slots is not None:
            slots = status.slots if background is None else min(status.slots, background)
            return Allowance(slots, status.retry_after, "half_open" if status.slots else "circuit_open")
        # At the limit the gate stays open: a worker that uses all of its share always has no slot free.
        if status.hanging and status.override is None and background == 0:
            return Allowance(0, HANGING_FOR, "hanging")
        return Allowance(None, status.background_wait)
