"""Whom a member tells, and what they have been told already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker.belief import Belief
from breakwall.breaker.circuit import Circuit
from breakwall.breaker.contact import Contact
from breakwall.breaker.lane import Lane


@dataclass(frozen=True, slots=True)
class Observer:
    """Whom a member tells; the first under its lock, the others outside of every lock.

    Attributes:
        on_lane: the lane for calls from now on, or None when each call has to ask.
        on_change: the circuit before and after.
        on_contact: None when the store answers again, else the name of the error that it is gone with.
    """

    on_lane: Callable[[Lane | None], None]
    on_change: Callable[[Circuit, Circuit], None]
    on_contact: Callable[[str | None], None]


class News:
    """Tells an observer of each change in a belief once."""

    def __init__(self, belief: Belief, observer: Observer) -> None:
        self._belief = belief
        self._observer = observer
        self.reset()

    def reset(self) -> None:
        """What the belief begins with is no news."""
        self._told = self._belief.circuit
        self._told_lost: str | None = None

    def announce(self) -> None:
        """Tell what is new. A store that is only slow is none: it may yet answer."""
        belief = self._belief
        with belief.lock:
            belief.give_up_if_silent()
            before, was_lost = self._told, self._told_lost
            now = self._told = belief.circuit
            lost = self._told_lost = was_lost if belief.contact is Contact.SLOW else belief.lost
        # Another thread may be here by now, with later news: what this one tells it has taken along.
        if now is not before:
            self._observer.on_change(before, now)
        # A second error of the same loss is no news: a call was overdue, and then it failed.
        if (lost is None) != (was_lost is None):
            self._observer.on_contact(lost)
