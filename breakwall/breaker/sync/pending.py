"""Operations that the store has not confirmed yet."""

from breakwall.breaker.circuit.operations import Operation, RecordOutcomes, RecordProbe, RequestLease
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.config import CircuitBreakerConfig


class ConfirmedOperation(Operation):
    """An operation that a caller waits for: it is stored while the caller waits, or not at all."""

    for_store_only = True

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._withdrawn = False
        self.done = False  # Whether it is in the store.

    def withdraw(self) -> None:
        """From now on it changes nothing, also in a synchronization that has already begun."""
        self._withdrawn = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return circuit if self._withdrawn else self._operation.apply(circuit, config, now, jitter)


class PendingOperations:
    """Operations that wait for a synchronization, and those that one has taken. The owner's lock guards it."""

    def __init__(self) -> None:
        self._waiting: list[Operation] = []
        self._taken: list[Operation] = []
        self._leases_in_store: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether an operation waits."""
        return bool(self._waiting)

    @property
    def unconfirmed(self) -> list[Operation]:
        """All of them, in order."""
        return self._taken + self._waiting

    def add(self, operation: Operation) -> None:
        """Queue ``operation`` for the next synchronization. The outcomes of one generation become one operation."""
        if isinstance(operation, RecordOutcomes):
            operation = self._merged(operation)
        self._waiting.append(operation)

    def add_while_lost(self, operation: Operation) -> None:
        """While the store is lost, keep only an operator's override and the end of a probe whose lease may be in the
        store."""
        ends_lease = isinstance(operation, RecordProbe) and operation.lease_id in self._leases_in_store
        if ends_lease or isinstance(operation, ConfirmedOperation):
            self._waiting.append(operation)

    def withdraw(self, operation: Operation) -> None:
        """Remove ``operation`` if no synchronization has taken it."""
        self._waiting = [other for other in self._waiting if other != operation]

    def take(self) -> tuple[Operation, ...]:
        """All waiting operations, for a synchronization that begins."""
        self._taken, self._waiting = self._waiting, []
        return tuple(self._taken)

    def confirm(self) -> None:
        """What was taken is in the store."""
        for operation in self._taken:
            if isinstance(operation, ConfirmedOperation):
                operation.done = True
        self._taken, self._leases_in_store = [], frozenset()

    def put_back(self) -> None:
        """What was taken did not arrive: queue it again, except lease requests and overrides, whose callers left."""
        again = [other for other in self._taken if not isinstance(other, RequestLease | ConfirmedOperation)]
        again, self._taken, self._waiting = again + self._waiting, [], []
        for operation in again:
            self.add(operation)

    def lose(self, confirmed: Circuit) -> None:
        """The store is lost: keep only what may be sent twice, and overrides that wait.

        The rest must not be counted twice: what was taken may be in the store, and the local circuit has all of it. The
        store may contain the leases of the circuit that it ``confirmed`` last, and those that were just requested.
        """
        asked = [operation.lease_id for operation in self._taken if isinstance(operation, RequestLease)]
        self._leases_in_store |= frozenset([lease.id for lease in confirmed.leases] + asked)
        taken = [operation for operation in self._taken if operation.idempotent]
        waiting = [other for other in self._waiting if other.idempotent or other.for_store_only]
        self._taken, self._waiting = [], taken + waiting

    def _merged(self, new: RecordOutcomes) -> RecordOutcomes:
        """``new`` together with the outcomes of the same generation that wait.

        The sum goes to the end, so a pause that was recorded between the two stays in front of it.
        """
        for old in self._waiting:
            if isinstance(old, RecordOutcomes) and old.delta.generation == new.delta.generation:
                self._waiting.remove(old)
                return RecordOutcomes(old.delta + new.delta)
        return new
