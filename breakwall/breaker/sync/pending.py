"""Operations that a breaker wants done in the store and does not know to be done."""

from breakwall.breaker.circuit.operations import Operation, RecordOutcomes, RecordProbe, RequestLease
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.circuit.window import CounterDelta
from breakwall.breaker.config import CircuitBreakerConfig


class ConfirmedOperation(Operation):
    """An operation that somebody waits for: done while they wait, or not at all.

    Attributes:
        done: whether it is in the store.
    """

    for_store_only = True

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._withdrawn = False
        self.done = False

    def withdraw(self) -> None:
        """From now on it changes nothing, also in a synchronization that is under way."""
        self._withdrawn = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return circuit if self._withdrawn else self._operation.apply(circuit, config, now, jitter)


class PendingOperations:
    """Operations that wait for a synchronization, and those that one has taken. Its owner's lock guards it."""

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
        """Have the next synchronization take ``operation``. The outcomes of one generation become one operation."""
        if isinstance(operation, RecordOutcomes):
            operation = self._merged(operation)
        self._waiting.append(operation)

    def add_while_lost(self, operation: Operation) -> None:
        """Of what happens without a store, keep only what concerns it: an operator's override, and the end of a probe
        whose lease it may still hold."""
        ends_lease = isinstance(operation, RecordProbe) and operation.lease_id in self._leases_in_store
        if ends_lease or isinstance(operation, ConfirmedOperation):
            self._waiting.append(operation)

    def withdraw(self, operation: Operation) -> None:
        """Do not send ``operation``, if it was not taken yet."""
        self._waiting = [other for other in self._waiting if other != operation]

    def take(self) -> tuple[Operation, ...]:
        """What a synchronization is to bring."""
        self._taken, self._waiting = self._waiting, []
        return tuple(self._taken)

    def confirm(self) -> None:
        """What was taken is in the store."""
        for operation in self._taken:
            if isinstance(operation, ConfirmedOperation):
                operation.done = True
        self._taken, self._leases_in_store = [], frozenset()

    def put_back(self) -> None:
        """What was taken did not arrive. Queue it again, but not lease requests and overrides: their callers left."""
        again = [other for other in self._taken if not isinstance(other, RequestLease | ConfirmedOperation)]
        again, self._taken, self._waiting = again + self._waiting, [], []
        for operation in again:
            self.add(operation)

    def lose(self, confirmed: Circuit) -> None:
        """The store is lost. What was taken may have arrived, and the local circuit has the rest: forget what counts
        only once.

        The store may hold the leases of the circuit that it ``confirmed`` last, and those that were just asked for.
        """
        asked = [operation.lease_id for operation in self._taken if isinstance(operation, RequestLease)]
        self._leases_in_store |= frozenset([lease.id for lease in confirmed.leases] + asked)
        taken = [operation for operation in self._taken if operation.idempotent]
        waiting = [other for other in self._waiting if other.idempotent or other.for_store_only]
        self._taken, self._waiting = [], taken + waiting

    def _merged(self, new: RecordOutcomes) -> RecordOutcomes:
        """``new`` together with what waits of the same generation.

        It goes to the end: a pause that the service asked for in between still comes first.
        """
        for old in self._waiting:
            if isinstance(old, RecordOutcomes) and old.delta.generation == new.delta.generation:
                self._waiting.remove(old)
                return RecordOutcomes(_sum(old.delta, new.delta))
        return new


def _sum(old: CounterDelta, new: CounterDelta) -> CounterDelta:
    return CounterDelta(
        new.generation,
        new.member,
        old.successes + new.successes,
        old.failures + new.failures,
        old.slow + new.slow,
    )
