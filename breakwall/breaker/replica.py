"""This process's copy of a shared circuit: what callers ask of it, and with which exchanges it is kept.

The copy is a `Belief`, which answers at once; a `Courier` keeps it in touch with the store, and a `Waiter`
waits for that, if anybody does. The copy is at most one refresh interval old.
"""

from __future__ import annotations

from collections.abc import Callable

from breakwall.breaker import forking
from breakwall.breaker.belief import Belief
from breakwall.breaker.changes import Advance, Change, Grant, Insisted, Settlement
from breakwall.breaker.circuit import CallOutcome
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact
from breakwall.breaker.courier import Courier
from breakwall.breaker.news import News, Observer
from breakwall.breaker.stores import Store
from breakwall.breaker.waiter import Steps, Waiter


class Replica:
    """One circuit's copy. ``clock`` is monotonic seconds; ``luck`` is 0 up to 1, for the jitter.

    Attributes:
        belief: the copy, to look at.
        waiter: takes the steps that are asked for here.
    """

    def __init__(
        self,
        name: str,
        config: CircuitBreakerConfig,
        store: Store,
        observer: Observer,
        clock: Callable[[], float],
        luck: Callable[[], float],
    ) -> None:
        self._clock = clock
        self.belief = Belief(config, observer.on_lane, clock, luck)
        self._news = News(self.belief, observer)
        self._courier = Courier(name, config, store, self.belief, clock, luck, self._news.announce)
        self.waiter = Waiter(config.store_timeout, clock, self.belief, self._courier, self._news.announce)

    def reset(self) -> None:
        """Know nothing, in a forked child, whose parent reports what was counted."""
        self.belief.reset()
        self._courier.reset()
        self._news.reset()

    # --- before a call

    def look(self) -> Steps[None]:
        """Exchange with the store if the copy is older than the refresh interval."""
        if self.belief.times.is_due:
            yield self._courier.latest()

    def refresh(self) -> Steps[None]:
        """`look`, before a call: what time alone has done is then done in the store too, and at once."""
        if self.belief.has_opened():
            yield from self.submit(Advance())
            return
        if self.belief.times.is_due and self.belief.is_ripe():
            # It was nothing: the next one begins anew.
            self._note(Advance())
        yield from self.look()

    def grant(self, lease_id: str) -> Steps[bool]:
        """Ask for a probe's lease. Without the store's answer in time it is the local circuit's to give."""
        request = Grant(lease_id)
        self._note(request)
        try:
            yield self._courier.ticket()
        except BaseException:
            # Cancelled or interrupted: nobody will hold what the request gets.
            self._withdraw(request)
            self._note(Settlement(lease_id, CallOutcome.NEUTRAL))
            self._courier.ticket()
            raise
        if self._is_granted(request):
            return True
        if self.belief.contact.local:
            # The request may still be on its way; what it gets nobody will use.
            self._note(Settlement(lease_id, CallOutcome.NEUTRAL))
        return False

    # --- after a call

    def fail(self, generation: int, *, slow: bool = False) -> Steps[None]:
        """A call that was let through while closed failed, or was slow."""
        with self.belief.lock:
            wait = self.belief.fail(generation, slow=slow)
        if wait:
            self._courier.ticket_later(wait)
        elif wait is not None:
            yield self._courier.ticket()

    def submit(self, change: Change) -> Steps[None]:
        """Have ``change`` made."""
        self._note(change)
        yield self._courier.ticket()

    # --- an operator's word, and the last one

    def insist(self, change: Change, patience: float) -> bool:
        """Have ``change`` made in the store, which is tried at once and waited for; whether it was.

        If not, it will not be sent any more. What was sent and not answered may have arrived.
        """
        forking.notice()
        word = Insisted(change)
        self._note(word)
        ticket = self._courier.ticket(at_once=True)
        if ticket is not None and self._courier.is_this_thread():
            self._courier.exchange(ticket)
        self.waiter.wait(ticket, patience, asked=True)
        with self.belief.lock:
            self.belief.outbox.withdraw(word)
            word.withdraw()
            return word.made

    def close(self, patience: float) -> None:
        """Tell the store what it does not know yet and leave it, within ``patience`` seconds."""
        forking.notice()
        end = self._clock() + patience
        with self.belief.lock:
            self.belief.collect()
            self.belief.times.hasten()
            unsaid = bool(self.belief.outbox) and self.belief.contact is Contact.IN_TOUCH
        if unsaid:
            self.waiter.wait(self._courier.ticket(), patience, asked=True)
        self._courier.leave(max(0.0, end - self._clock()))

    # --- with the lock

    def _note(self, change: Change) -> None:
        with self.belief.lock:
            self.belief.note(change)

    def _withdraw(self, change: Change) -> None:
        with self.belief.lock:
            self.belief.outbox.withdraw(change)

    def _is_granted(self, request: Grant) -> bool:
        """Whether the lease is there; if not, the request will not be sent any more."""
        with self.belief.lock:
            granted = self.belief.circuit.holds(request.lease_id)
            if not granted:
                self.belief.outbox.withdraw(request)
            return granted
