"""How a process stands with its store, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from breakwall.breaker.circuit import Circuit
from breakwall.breaker.lane import Lane


class Contact(Enum):
    """``NEW``: not spoken to yet. ``SLOW``: an answer is overdue. ``LOST``: the last attempt failed, or it was
    silent for too long."""

    NEW = "new"
    IN_TOUCH = "in_touch"
    SLOW = "slow"
    LOST = "lost"

    @property
    def local(self) -> bool:
        return self in {Contact.SLOW, Contact.LOST}


@dataclass(frozen=True, slots=True)
class Observer:
    """Whom a replica tells; the first under its lock, the others outside of every lock.

    Attributes:
        on_lane: the lane for calls from now on, or None when each call has to ask.
        on_change: the circuit before and after.
        on_contact: None when the store answers again, else the name of the error that it is gone with.
    """

    on_lane: Callable[[Lane | None], None]
    on_change: Callable[[Circuit, Circuit], None]
    on_contact: Callable[[str | None], None]
