"""What a breaker tells its listeners, as seen by this process."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from breakwall.breaker.circuit import CircuitState, Override

logger = logging.getLogger("breakwall.breaker")


@dataclass(frozen=True, slots=True)
class Transition:
    """The circuit has moved on. A process sees what it looks at: steps in between may be missing.

    ``retry_after``: seconds until the first probe, when it has opened. ``failures``: those in the window that
    opened it, of all who share the circuit; 0 where the service asked for a pause. ``reopenings``: how often a probe
    has failed since it was last closed.
    """

    name: str
    before: CircuitState
    after: CircuitState
    generation: int
    retry_after: float
    failures: int = field(default=0, compare=False)
    reopenings: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Overridden:
    """An operator's word has come, or, with ``override`` None, was lifted. One that runs out is no event."""

    name: str
    override: Override | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call was refused; or, ``observed``, would have been but for an operator's word."""

    name: str
    state: CircuitState
    retry_after: float
    observed: bool = False


@dataclass(frozen=True, slots=True)
class StoreLost:
    """The store does not answer; this process goes on with a local circuit. ``error`` is a class's name."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class StoreBack:
    """The store answers again."""

    name: str


Event = Transition | Overridden | Refusal | StoreLost | StoreBack
Listener = Callable[[Event], object]


class Announcer:
    """Calls the listeners, one after the other, in the thread in which something happened.

    No lock of the breaker is held then. A listener that raises is logged and harms nobody. An exit or an
    interrupt in the main thread is raised all the same: it may be a signal's, and happen to come there.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners = (*self._listeners, listener)

        def leave() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

        return leave

    def tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            # A listener is a guest in somebody's payment.
            except BaseException as error:
                with contextlib.suppress(Exception):
                    logger.exception("a listener of circuit %r failed", event.name)
                if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                    raise
