"""The calls that one breaker of this process has in hand at the service, and whether another may be started."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.hang_detector import HangDetector, RunningCall

# Seconds after which to ask again while the service hangs: less than a caller notices, and not a busy loop.
HANG_RETRY_AFTER = 0.5


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """Why a call may not be started now, though the circuit is closed."""

    reason: str
    retry_after: float  # Seconds.


class CallsInHand:
    """The table of these calls. Safe for threads.

    ``longest``: seconds after which a call whose result was never recorded counts as lost. ``on_hang`` is called with
    True if a hang is noticed and with False when it is over, outside of every lock.
    """

    def __init__(self, clock: Callable[[], float], longest: float, on_hang: Callable[[bool], None]) -> None:
        self._clock = clock
        self._longest = longest
        self._on_hang = on_hang
        self._began: deque[RunningCall] = deque()
        self.reset()

    def reset(self) -> None:
        """Begin anew: at the start, and in a forked child, whose parent has these calls."""
        self._lock = threading.Lock()
        for call in list(self._began):
            call.done = True  # A result that is recorded here all the same changes nothing.
        self._detector = HangDetector()
        self._began = deque()  # In order; those that are done leave when they come first.
        self._number = {False: 0, True: 0}  # In hand, by whether they are the background's.
        self._was_hanging = False

    def begin(self, *, background: bool) -> RunningCall | LimitRefusal:
        """Enter a call that begins now; or say why it may not begin."""
        now = self._clock()
        with self._lock:
            hanging, changed = self._look(now)
            if hanging:
                entered: RunningCall | LimitRefusal = LimitRefusal("the service hangs", HANG_RETRY_AFTER)
            else:
                entered = self._enter(RunningCall(now, background=background))
        if changed:
            self._on_hang(hanging)
        return entered

    def enter(self, *, background: bool) -> RunningCall:
        """Enter a call that may begin in any case: a probe, or by an operator's override."""
        with self._lock:
            return self._enter(RunningCall(self._clock(), background=background))

    def end(self, call: RunningCall, outcome: CallOutcome) -> None:
        """``call`` has ended."""
        now = self._clock()
        with self._lock:
            if call.done:
                return  # It was given up as lost.
            self._number[call.background] -= 1
            self._detector.ended(call, outcome, now)

    @property
    def is_hanging(self) -> bool:
        """Whether too many calls are overdue now."""
        with self._lock:
            hanging, changed = self._look(self._clock())
        if changed:
            self._on_hang(hanging)
        return hanging

    @property
    def number(self) -> int:
        """How many calls are in hand."""
        return sum(self._number.values())

    def _enter(self, call: RunningCall) -> RunningCall:
        self._began.append(call)
        self._number[call.background] += 1
        self._detector.began(call)
        return call

    def _look(self, now: float) -> tuple[bool, bool]:
        """Whether the service hangs, and whether that has changed."""
        began = self._began
        while began and (began[0].done or now - began[0].began_at > self._longest):
            self._leave(began.popleft(), now)
        hanging = self._detector.is_hanging(now)
        changed, self._was_hanging = hanging != self._was_hanging, hanging
        return hanging, changed

    def _leave(self, call: RunningCall, now: float) -> None:
        if not call.done:
            self._number[call.background] -= 1
            self._detector.ended(call, CallOutcome.FAILURE, now)
