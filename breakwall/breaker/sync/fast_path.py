"""The fast path: what a call reads and counts while its circuit is closed, without a lock and without the store."""

import itertools
import threading
from collections.abc import Callable

from breakwall.breaker.circuit.state import Circuit, CircuitState, Override, OverrideMode
from breakwall.breaker.circuit.window import CounterDelta
from breakwall.breaker.config import CircuitBreakerConfig

LONG_AGO = float("-inf")  # Before every moment on a clock.


class FastPath:
    """Counts the successes of one closed generation in one breaker.

    A call keeps the fast path that it began with. So it counts for the generation that it began in, also if it ends
    after a transition.
    """

    __slots__ = ("_lock", "_reads", "_reported", "fresh_until", "generation", "succeed")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.fresh_until = LONG_AGO  # Until then, on the breaker's clock, calls need not read the circuit.
        # Counts one success. A bound ``__next__`` is the cheapest counter that loses no step between threads.
        self.succeed = itertools.count().__next__
        self._lock = threading.Lock()
        self._reads = 0
        self._reported = 0

    def successes(self) -> int:
        """How many successes this has counted."""
        # Reading the counter increases it, so the reads are counted too.
        with self._lock:
            total = self.succeed() - self._reads
            self._reads += 1
            return total

    def take_successes(self) -> int:
        """Successes since the last call of this. For one thread at a time."""
        total = self.successes()
        new = total - self._reported
        self._reported = total
        return new


class FastPathSwitch:
    """Opens and shuts the fast path of one breaker. Its owner's lock guards it.

    ``publish`` is called with the fast path for the next calls, or with None if each call must ask for a permit.
    """

    def __init__(
        self, reporter_id: str, config: CircuitBreakerConfig, publish: Callable[[FastPath | None], None]
    ) -> None:
        self._reporter_id = reporter_id
        self._config = config
        self._publish = publish
        self._published: FastPath | None = None
        self.current: FastPath | None = None  # Of the closed generation, also while it is shut.
        publish(None)

    def is_in(self, generation: int) -> bool:
        """Whether calls begin in the closed ``generation`` now."""
        return self.current is not None and self.current.generation == generation

    def follow(self, circuit: Circuit, override: Override | None, fresh_until: float) -> None:
        """Open the fast path until ``fresh_until``, or shut it, as ``circuit`` and the ``override`` in force say."""
        if circuit.state is not CircuitState.CLOSED:
            self.current = None
        elif self.current is None or self.current.generation != circuit.generation:
            self.current = FastPath(circuit.generation)
        if self.current is not None:
            # Each call must ask during a suspicion, which may open the circuit at any time, and if slow calls count:
            # only a permit measures a call's duration.
            asks = self._config.slow_call_duration or circuit.window.suspected_at is not None
            self.current.fresh_until = LONG_AGO if asks else fresh_until
        forced_open = override is not None and override.mode is OverrideMode.FORCED_OPEN
        self._show(None if forced_open else self.current)

    def shut(self) -> None:
        """Let each call ask for a permit until the next `follow`."""
        self._show(None)

    def delta(self, generation: int, *, failures: int = 0, slow: int = 0) -> CounterDelta:
        """The successes of ``generation`` since the last time, together with calls that failed or were slow."""
        current = self.current
        counted = current is not None and current.generation == generation
        successes = current.take_successes() if current is not None and counted else 0
        return CounterDelta(generation, self._reporter_id, successes, failures, slow)

    def _show(self, fast_path: FastPath | None) -> None:
        if fast_path is not self._published:
            self._published = fast_path
            self._publish(fast_path)
