"""A callable of the shop's own, which the worker calls with the event."""

import inspect
import logging
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from breakwall.log_throttle import throttled
from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event
from breakwall.texts import visible

log = logging.getLogger("breakwall.outcomes")

MOST_FRAMES = 20  # The innermost ones, which are logged.


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
        self._report = throttled(lambda sentence: log.warning("%s", sentence))

    def deliver(self, event: Event, *, deadline: float) -> Result:
        """Call it once."""
        try:
            self._listener(event.document)
        # SystemExit too: it would end the thread, and the worker would lose one of few.
        except (Exception, SystemExit) as error:
            return Result(self._explain(error))
        return DELIVERED

    def _explain(self, error: BaseException) -> str:
        """What it raised and where. Not the error's text, nor lines of code: they may hold what is secret."""
        raised, frames = f"the listener raised {type(error).__name__}", _frames(error.__traceback__)
        if not frames:
            return raised
        self._report(f"{raised}; the calls, the innermost first: {', '.join(frames)}")
        return f"{raised} at {frames[0]}"

    def close(self) -> None:
        """There is nothing to close."""


def _frames(found: TracebackType | None) -> list[str]:
    """The listener's calls, the innermost first, without our own."""
    calls = traceback.extract_tb(found)[1:][-MOST_FRAMES:]
    return [visible(f"{call.filename}:{call.lineno} in {call.name}") for call in reversed(calls)]
