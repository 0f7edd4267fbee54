"""The circuit that all processes share, observed: each permit is checked against the circuit's state."""

from collections.abc import Callable

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, Permit
from breakwall.breaker.circuit.codec import decode
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.stores import StoredCircuit
from tests.dict_store import DictStore
from tests.simulation.engine import EndedError, Process
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World

EPOCH = 1_795_737_600.0  # What the store's clock showed when the run began: 27 November 2026.


class SharedCircuit(Part):
    """The store of every process's breaker, and its history."""

    def __init__(self, world: World, config: CircuitBreakerConfig) -> None:
        super().__init__(world)
        self.config = config
        self.memory = DictStore(lambda: EPOCH + world.engine.now)
        self._state = CircuitState.CLOSED
        self._closed_until = 0.0
        self.closed_since: float | None = 0.0  # None while it is not closed.
        self._lost_at = float("-inf")

    def connect(self) -> None:
        """Raises `ConnectionError` while the store is down."""
        if "breaker store down" in self._faults.down:
            self._lost_at = self._engine.now
            raise ConnectionError

    def stored(self, text: str) -> None:
        """The circuit has changed."""
        circuit = decode(text)
        assert circuit is not None
        if circuit.state is not self._state:
            self._trace.record("circuit", f"{circuit.state} (was {self._state})")
            if self._state is CircuitState.CLOSED:
                self._closed_until = self._engine.now
            self._state = circuit.state
            self.closed_since = self._engine.now if circuit.state is CircuitState.CLOSED else None
        self._check_probes(circuit)

    def check_admission(self, process: str, permit: Permit) -> None:
        """Check a permit: it needs a lease, or a circuit that was closed a moment ago.

        A process that lost the store a moment ago uses a local circuit, which may differ from the shared one.
        """
        moment_ago = self._engine.now - self.config.refresh_interval
        if permit.is_probe or self._lost_at >= moment_ago:
            return
        if self._state is not CircuitState.CLOSED and self._closed_until < moment_ago:
            raise Violation(f"{process} got a permit while the circuit was {self._state}")

    def told_who_shares(self, since: float) -> bool:
        """Whether processes have read in the circuit, ever since a moment, who of them shares a rate."""
        always_closed = self.closed_since is not None and self.closed_since <= since
        return self.config.adaptive_limit and always_closed and self._lost_at < since

    def _check_probes(self, circuit: Circuit) -> None:
        probes = len(circuit.leases) + circuit.probes_succeeded
        if probes > self.config.half_open_max_calls:
            raise Violation(f"{probes} probes of {self.config.half_open_max_calls} in a half-open circuit")


class ProcessStore:
    """One process's connection to the shared store; a dead process's writes do not arrive."""

    remote = False

    def __init__(self, shared: SharedCircuit, process: Process) -> None:
        self._shared = shared
        self._process = process

    def load(self, name: str) -> StoredCircuit:
        self._connect()
        return self._shared.memory.load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        self._connect()
        won, record = self._shared.memory.swap(name, seen, version, text)
        if won:
            self._shared.stored(text)
        return won, record

    def close(self) -> None:
        """Nothing is open."""

    def forget_connections(self) -> None:
        """Nothing is open."""

    def _connect(self) -> None:
        if not self._process.alive:
            raise EndedError
        self._shared.connect()


class OtherCircuitStore(ProcessStore):
    """The same store, for circuits that are not observed."""

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        self._connect()
        return self._shared.memory.swap(name, seen, version, text)


class WatchedBreaker(CircuitBreaker):
    """The real breaker, which reports each permit, whether it is the background's, and each cap that it gets."""

    on_permit: Callable[[Permit, bool], None]
    on_cap: Callable[[float | None, int], None]

    def acquire(self, background: bool = False) -> Permit:
        permit = super().acquire(background)
        self.on_permit(permit, background)
        return permit

    def cap_background_rate(self, per_second: float | None, processes: int = 1) -> None:
        super().cap_background_rate(per_second, processes)
        self.on_cap(per_second, processes)
