"""A callable of the shop's own, which the worker calls with the event."""

import inspect
from collections.abc import Callable
from typing import Any

from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event


class ListenerDestination:
    """Calls ``listener`` with the event's document. It has the event if it returns, whatever it returns.

    Python cannot end a call that hangs. `call_pool` says what becomes of it.
    """

    name = "listener"
    endpoint = None

    def __init__(self, listener: Callable[[dict[str, Any]], object]) -> None:
        """`ValueError` for a coroutine function, whose call would do nothing."""
        if inspect.iscoroutinefunction(listener):
            raise ValueError("should be an ordinary function, not an async one")
        self._listener = listener

    def deliver(self, event: Event, *, deadline: float) -> Result:
        """Call it once."""
        try:
            self._listener(event.document)
        # SystemExit too: it would end the thread, and the worker would lose one of few.
        except (Exception, SystemExit) as error:
            return Result(f"the listener raised {type(error).__name__}")
        return DELIVERED

    def close(self) -> None:
        """There is nothing to close."""
