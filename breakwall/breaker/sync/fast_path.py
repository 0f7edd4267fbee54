"""The fast path: what a call reads and counts while its circuit is closed. No lock, no store."""

import itertools
import threading
from collections.abc import Callable

from breakwall.breaker.circuit.state import Circuit, CircuitState, Override, OverrideMode
from breakwall.breaker.circuit.window import CounterDelta
from breakwall.breaker.config import CircuitBreakerConfig

NEVER = float("-inf")


class FastPath:
    """One closed generation, as one breaker knows it.

    Its calls are counted here. So a call that ends after the circuit has moved on counts for the generation that it
    began in, and for no other.

    Attributes:
        generation: of the circuit.
        fresh_until: until when, on the breaker's clock, calls may go without a look at the circuit.
        succeed: counts one success. A bound ``__next__`` is the cheapest step of a counter that loses none
            between threads.
    """

    __slots__ = ("_lock", "_reads", "_reported", "fresh_until", "generation", "succeed")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.fresh_until = NEVER
        self.succeed = itertools.count().__next__
        self._lock = threading.Lock()
        self._reads = 0
        self._reported = 0

    def successes(self) -> int:
        """All of them, so far."""
        # Reading the counter moves it on, so the reads are counted too.
        with self._lock:
            total = self.succeed() - self._reads
            self._reads += 1
            return total

    def take_successes(self) -> int:
        """Successes since the last time this was asked. For one thread at a time."""
        total = self.successes()
        new = total - self._reported
        self._reported = total
        return new


class FastPathSwitch:
    """Opens and shuts the fast path of one breaker. Its owner's lock guards it.

    Args:
        member: this breaker's name in the fleet.
        publish: called with the fast path for calls from now on, or None when each call has to ask.

    Attributes:
        current: the fast path of the closed generation; None unless closed.
    """

    def __init__(
        self, member: str, config: CircuitBreakerConfig, publish: Callable[[FastPath | None], None]
    ) -> None:
        self._member = member
        self._config = config
        self._publish = publish
        self._published: FastPath | None = None
        self.current: FastPath | None = None
        publish(None)

    def is_in(self, generation: int) -> bool:
        """Whether calls begin in the closed ``generation`` now."""
        return self.current is not None and self.current.generation == generation

    def follow(self, circuit: Circuit, override: Override | None, fresh_until: float) -> None:
        """Have the fast path that ``circuit`` and the ``override`` in force allow, fresh until then."""
        if circuit.state is not CircuitState.CLOSED:
            self.current = None
        elif self.current is None or self.current.generation != circuit.generation:
            self.current = FastPath(circuit.generation)
        if self.current is not None:
            # While there is a suspicion, time alone may open the circuit, so each call asks. A slow call is known by
            # its permit, which the fast path does without.
            asks = self._config.slow_call_duration or circuit.window.suspected_at is not None
            self.current.fresh_until = NEVER if asks else fresh_until
        forced_open = override is not None and override.mode is OverrideMode.FORCED_OPEN
        self._show(None if forced_open else self.current)

    def shut(self) -> None:
        """Have each call ask, until the next `follow`."""
        self._show(None)

    def delta(self, generation: int, *, failures: int = 0, slow: int = 0) -> CounterDelta:
        """What was counted in ``generation`` since the last time, with calls that failed or were slow."""
        current = self.current
        counted = current is not None and current.generation == generation
        successes = current.take_successes() if current is not None and counted else 0
        return CounterDelta(generation, self._member, successes, failures, slow)

    def _show(self, fast_path: FastPath | None) -> None:
        if fast_path is not self._published:
            self._published = fast_path
            self._publish(fast_path)
