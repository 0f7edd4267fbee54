"""Whether orders may be sent now, and so whether messages are fetched and due orders published."""

from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker import CircuitBreaker

# Seconds after which a gate is asked again that is closed by a person, who may open it at any time.
PAUSED_FOR = 1.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many orders may be sent now.

    Attributes:
        slots: None is any number, and 0 is none. A number is how many probes the circuit permits.
        retry_after: seconds after which to ask again if nothing may be sent.
        reason: why not any number: ``paused``, ``circuit_open``, ``half_open``, ``hanging`` or ``limit``; else None.
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
        background = getattr(status, "background_slots", None)
        if status.slots is not None:
            slots = status.slots if background is None else min(status.slots, background)
            return Allowance(slots, status.retry_after, "half_open" if status.slots else "circuit_open")
        if background == 0:
            reason = "hanging" if getattr(status, "hanging", False) else "limit"
            return Allowance(0, status.retry_after, reason)
        return Allowance(None)
