"""Logs what has changed in a circuit, and tells the breaker's listeners."""

from collections.abc import Callable

from breakwall.breaker.circuit.clock_adjustment import CLOCK_TOLERANCE
from breakwall.breaker.circuit.state import Circuit, CircuitState, LastReset
from breakwall.breaker.events import (
    EventDispatcher,
    Hang,
    Limited,
    Overridden,
    Reset,
    StoreBack,
    StoreLost,
    Transition,
    logger,
)


class Announcer:
    """Of one breaker of the circuit called ``name``. ``clock`` is the breaker's. Called outside of every lock."""

    def __init__(self, name: str, events: EventDispatcher, clock: Callable[[], float]) -> None:
        self._name = name
        self._events = events
        self._clock = clock
        self._born_at = clock()

    def circuit_changed(self, before: Circuit, after: Circuit, now: float) -> None:
        """The circuit has moved, or its override or its limit has changed; ``now`` is the store's time."""
        if after.override != before.override and after.override == after.override_at(now):
            self._events.dispatch(Overridden(self._name, after.override))
        if before.limit is not after.limit and before.is_limited != after.is_limited:
            self._limited(after)
        reset = self._reset_between(before, after, now)
        if reset is not None:
            self._reset(reset)
        if before.generation != after.generation and not _only_reset(before, after):
            self._moved(before, after, now)

    def hang_changed(self, in_hand: int, *, hanging: bool) -> None:
        """The service hangs from now on, or answers again."""
        what = "hangs: no call is started" if hanging else "answers again"
        logger.info("circuit %r: the service %s; %d calls in hand", self._name, what, in_hand)
        self._events.dispatch(Hang(self._name, not hanging, in_hand))

    def store_changed(self, error: str | None) -> None:
        """The store is lost with the error of this name; or it is back (None)."""
        if error is None:
            # The same level as the loss, so that the same readers see both.
            logger.warning("circuit %r: its store is back", self._name)
            self._events.dispatch(StoreBack(self._name))
        else:
            logger.warning("circuit %r: its store is lost (%s); a local circuit is used", self._name, error)
            self._events.dispatch(StoreLost(self._name, error))

    def _limited(self, after: Circuit) -> None:
        places = None if after.limit is None else after.limit.places
        logger.info("circuit %r: the limit of calls in hand is %s", self._name, places or "over")
        self._events.dispatch(Limited(self._name, places))

    def _reset_between(self, before: Circuit, after: Circuit, now: float) -> LastReset | None:
        """The reset that is new in ``after``, unless it was before this breaker was made."""
        last, known = after.last_reset, before.last_reset
        if last is None or (known is not None and known.generation >= last.generation):
            return None
        born_at = now - (self._clock() - self._born_at)
        return last if last.at >= born_at - CLOCK_TOLERANCE else None

    def _reset(self, last: LastReset) -> None:
        by, why = (f" by {last.actor}" if last.actor else ""), (f": {last.reason}" if last.reason else "")
        logger.info("circuit %r: reset%s%s", self._name, by, why)
        self._events.dispatch(Reset(self._name, last.reason, last.actor))

    def _moved(self, before: Circuit, after: Circuit, now: float) -> None:
        wait = max(0.0, (after.open_until or 0.0) - now)
        logger.info("circuit %r: %s, was %s", self._name, after.state.value, before.state.value)
        states = (before.state, after.state, after.generation)
        opened_by, reopenings = after.opened_by, after.reopenings
        self._events.dispatch(
            Transition(self._name, *states, wait, failures=opened_by, reopenings=reopenings)
        )


def _only_reset(before: Circuit, after: Circuit) -> bool:
    """Whether a closed circuit was reset: a new generation, but no transition."""
    last = after.last_reset
    was_closed = before.state is after.state is CircuitState.CLOSED
    return was_closed and last is not None and last.generation == after.generation
