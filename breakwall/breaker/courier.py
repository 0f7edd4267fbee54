"""Brings what a member has noted to the store, and what the store says back to its belief.

One exchange at a time, on the store's link. A ticket stands for one: it is done when the exchange is over,
however that went. Callers that come together share one.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future

from breakwall.breaker.agenda import Job
from breakwall.breaker.belief import Belief, PrematureError
from breakwall.breaker.changes import Change
from breakwall.breaker.circuit import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact
from breakwall.breaker.exchange import ContentionError, Exchange
from breakwall.breaker.link import NoThreadError, links
from breakwall.breaker.stores import Store

Ticket = Future[None]


class Courier:
    """Between one belief and the store of its circuit, called ``name``.

    Args:
        clock: monotonic seconds.
        luck: 0 up to 1, for the jitter.
        then: called after each exchange, outside of every lock.
    """

    def __init__(
        self,
        name: str,
        config: CircuitBreakerConfig,
        store: Store,
        belief: Belief,
        clock: Callable[[], float],
        luck: Callable[[], float],
        then: Callable[[], None],
    ) -> None:
        self._name = name
        self._config = config
        self._store = store
        self._belief = belief
        self._clock = clock
        self._luck = luck
        self._then = then
        self._link = links.to(store)
        self._link.attach()
        self.reset()

    def reset(self) -> None:
        """No exchange is under way: at the start, and in a forked child, whose parent's are its own."""
        self._next: Ticket | None = None
        self._under_way: Ticket | None = None
        self._planned_at: float | None = None

    def latest(self) -> Ticket | None:
        """The exchange that is under way, or else the next."""
        return self._under_way or self.ticket()

    def ticket(self, *, at_once: bool = False) -> Ticket | None:
        """The next exchange, which will carry what is noted now.

        A lost store is asked once in a refresh interval, or ``at_once``; None in between.
        """
        ticket = Ticket()
        try:
            with self._belief.lock:
                if self._next is not None:
                    return self._next
                if self._belief.contact is Contact.LOST and not (at_once or self._belief.times.is_due):
                    return None
                self._next = ticket
            self._link.run(lambda: self.exchange(ticket), self._then)
        except NoThreadError as error:
            with self._belief.lock:
                self._belief.lose(type(error).__name__)
            self._drop(ticket)
        # A signal's: an interrupt, or a worker's soft time limit. Nobody else would ever begin the exchange.
        except BaseException:
            self._drop(ticket)
            raise
        return ticket

    def ticket_later(self, seconds: float) -> None:
        """Have an exchange in ``seconds``, or when an earlier one is planned; nobody waits for it."""
        at = time.monotonic() + seconds
        with self._belief.lock:
            if self._planned_at is not None and self._planned_at <= at:
                return
            # Nobody is there to do it: the next exchange brings what is noted.
            if self._link.run_at(at, self._plan(at)):
                self._planned_at = at

    def _plan(self, at: float) -> Job:
        planned = weakref.WeakMethod(self._as_planned)

        def go() -> None:
            if (as_planned := planned()) is not None:
                as_planned(at)

        return go

    def _as_planned(self, at: float) -> None:
        """In the link's thread, so at once; unless another plan has taken this one's place."""
        with self._belief.lock:
            if self._planned_at != at:
                return
            self._planned_at = None
            if self._next is not None or self._belief.contact is Contact.LOST:
                return
            ticket = self._next = Ticket()
        self.exchange(ticket)
        self._then()

    def _drop(self, ticket: Ticket) -> None:
        """Have no exchange for ``ticket``, unless it has begun; what is noted waits for the next."""
        with self._belief.lock:
            if self._next is not ticket:
                return
            self._next = None
        ticket.set_result(None)

    def overdue(self, ticket: Ticket) -> None:
        """Somebody has waited for ``ticket`` for as long as they would."""
        with self._belief.lock:
            if ticket in {self._next, self._under_way}:
                self._link.silent = True
                self._belief.doubt()

    @property
    def first_patience(self) -> float:
        """For how many seconds a call waits for the first contact; none where the store is known not to answer."""
        return 0.0 if self._link.silent else self._belief.times.first_patience

    def is_this_thread(self) -> bool:
        """Whether the caller is in the thread of the exchanges, which must not wait for one."""
        return self._link.is_this_thread()

    def leave(self, patience: float) -> None:
        """Have no more exchanges; wait for what is under way for ``patience`` seconds at most."""
        with self._belief.lock:
            self._planned_at = None
        self._link.detach(patience)

    def exchange(self, ticket: Ticket) -> None:
        """Have the exchange that ``ticket`` stands for now, in the link's thread."""
        begun = False
        try:
            with self._belief.lock:
                begun = self._next is ticket
                if not begun:
                    # The link's own thread did not wait for its turn, or the ticket was dropped.
                    return
                self._next, self._under_way = None, ticket
                changes = self._belief.pack()
            self._converse(changes)
        finally:
            if begun:
                self._under_way = None
                ticket.set_result(None)
        self._plan_for_what_is_held_back()

    def _plan_for_what_is_held_back(self) -> None:
        with self._belief.lock:
            wait = self._belief.held_back_for()
        if wait is not None:
            self.ticket_later(wait)

    def _converse(self, changes: list[Change]) -> None:
        exchange = Exchange(
            self._store, self._name, self._config, self._clock, self._luck(), self._reconciled
        )
        try:
            exchanged = exchange.run(changes, self._belief.recent_answer() if changes else None)
            with self._belief.lock:
                self._belief.adopt(exchanged, flushed=bool(changes))
                self._answered()
        except ContentionError as crowd:
            with self._belief.lock:
                self._belief.postpone(crowd.answer, crowd.circuit)
                self._answered()
        except PrematureError:
            with self._belief.lock:
                self._belief.linger()
        # Whatever a store raises, the call that is being protected must not see it.
        except Exception as error:
            with self._belief.lock:
                self._belief.lose(type(error).__name__)

    def _reconciled(self, stored: Circuit | None, now: float) -> Circuit:
        self._link.silent = False
        with self._belief.lock:
            return self._belief.reconciled(stored, now)

    def _answered(self) -> None:
        """Once the copy follows the store, whoever still waits for the ticket finds nothing overdue."""
        if self._belief.contact is Contact.IN_TOUCH:
            self._under_way = None
