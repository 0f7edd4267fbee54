"""The events that a breaker reports to its listeners, as this process sees them."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from breakwall.breaker.circuit.state import CircuitState, Override

logger = logging.getLogger("breakwall.breaker")


@dataclass(frozen=True, slots=True)
class Transition:
    """The circuit has changed its state. A process compares its copy before and after: it may miss states in between.

    Attributes:
        retry_after: seconds until the first probe, if the circuit has opened.
        failures: how many were in the window, over all processes, when the circuit left the closed state. 0 when it has
            closed; may also be 0 if the service asked for a pause.
        reopenings: how often a probe has failed since the circuit was last closed.
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
    """An operator has set an override, or has lifted it (``override`` is None). One that expires is no event."""

    name: str
    override: Override | None


@dataclass(frozen=True, slots=True)
class Reset:
    """The circuit was reset, here or in another process. A `Transition` follows if it was not closed."""

    name: str
    reason: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call was refused. If ``observed``: it would have been refused, but an override let it through.

    If the ``state`` is closed, the call was refused because the service hangs or the fleet's limit is reached.
    """

    name: str
    state: CircuitState
    retry_after: float
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """This process has noticed by the age of its calls in hand that the service hangs; ``over``: that it answers
    again. ``in_hand``: how many calls this process has in hand."""

    name: str
    over: bool
    in_hand: int


@dataclass(frozen=True, slots=True)
class Limited:
    """A limit of the calls in hand over all processes has begun, at ``limit``; or it is over (None)."""

    name: str
    limit: int | None


@dataclass(frozen=True, slots=True)
class StoreLost:
    """The store does not answer, so this process uses a local circuit. ``error`` is the name of a class."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class StoreBack:
    """The store answers again."""

    name: str


Event = Transition | Overridden | Reset | Refusal | Hang | Limited | StoreLost | StoreBack
Listener = Callable[[Event], object]


class EventDispatcher:
    """Calls the listeners, one after the other, in the thread of the event. No lock of the breaker is held then.

    A listener's error is logged, not raised. Exception: an exit or an interrupt in the main thread is raised, because
    it may come from a signal.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners = (*self._listeners, listener)

        def leave() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

        return leave

    def dispatch(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            # A listener must not disturb the call in which the event happened.
            except BaseException as error:
                with contextlib.suppress(Exception):
                    logger.exception("a listener of circuit %r failed", event.name)
                if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                    raise
