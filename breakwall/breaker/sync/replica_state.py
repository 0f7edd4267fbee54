"""The state of one breaker's copy of a shared circuit, without a store, a thread or any waiting.

While the store answers, the copy is the store's last answer, and operations wait for the next synchronization. If the
store does not answer in time, the copy becomes a local circuit: operations are applied to it as well. When the store
answers again, `conflict` decides which circuit wins, and the copy is the store's answer again.
"""

import secrets
import threading
from enum import Enum

from breakwall.breaker.circuit.operations import Operation, RecordOutcomes, ReportLoad, apply_all
from breakwall.breaker.circuit.state import Circuit, CircuitState
from breakwall.breaker.circuit.transitions import decide
from breakwall.breaker.sync.cas import Received, Synchronized
from breakwall.breaker.sync.conflict import Snapshot
from breakwall.breaker.sync.early_outcomes import EarlyOutcomes
from breakwall.breaker.sync.fast_path import LONG_AGO, FastPathSwitch
from breakwall.breaker.sync.memory import steady_time
from breakwall.breaker.sync.pending import PendingOperations
from breakwall.breaker.sync.replica import Setup
from breakwall.breaker.sync.schedule import Schedule

# Seconds. The store's time is derived from its last answer; if that is older than this, the store is asked again.
LONGEST_DERIVED_TIME = 10.0


class StoreStatus(Enum):
    NEW = "new"  # It has never answered.
    ANSWERING = "answering"
    SLOW = "slow"  # An answer is overdue.
    LOST = "lost"  # The last synchronization failed, or the silence was too long.

    @property
    def is_local(self) -> bool:
        """Whether calls use a local circuit."""
        return self in {StoreStatus.SLOW, StoreStatus.LOST}


class ReplicaState:
    """One breaker's copy of the circuit, its operations that wait, and whether its store answers.

    Reading needs no lock. A caller of a method that changes the state holds ``lock``.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._config, self._clock, self._jitter = setup.config, setup.clock, setup.jitter
        self.reset()

    def reset(self) -> None:
        """Begin anew: at the start, and in a forked child, whose parent reports what was counted."""
        self.lock = threading.Lock()  # Also for the synchronizer's next future.
        self._reporter_id = secrets.token_hex(4)
        self.status = StoreStatus.NEW
        self.error: str | None = None  # The class name of the error with which the store is slow or lost.
        self.circuit = self._confirmed = Circuit()
        self.pending = PendingOperations()
        self.schedule = Schedule(self._config, self._clock)
        self.switch = FastPathSwitch(self._reporter_id, self._config, self._setup.on_fast_path)
        self._received: Received | None = None
        self._clock_offset = steady_time()() - self._clock()
        self._born_at = self._clock()
        self._early = EarlyOutcomes()
        self._early_taken: EarlyOutcomes | None = None

    # --- reading

    def now(self) -> float:
        """The store's time, derived from its last answer."""
        return self._clock() + self._clock_offset

    def suspicion_has_lasted(self) -> bool:
        """Whether a suspicion has lasted so long that other processes cannot refute it any more."""
        suspected_at = self.circuit.window.suspected_at
        return suspected_at is not None and self.now() >= suspected_at + self._config.refresh_interval

    def has_opened(self) -> bool:
        """Whether the circuit is open because a suspicion lasted, and no process has stored that yet."""
        if self.circuit.state is not CircuitState.CLOSED:
            return False
        return decide(self.circuit, self._config, self.now()).state is not CircuitState.CLOSED

    # --- what this breaker does

    def record(self, operation: Operation) -> None:
        """Apply ``operation``: to the stored circuit with the next synchronization, or to the local circuit."""
        self.become_lost_if_silent()
        never_answered = self._received is None
        is_kept = never_answered and self._early.take(operation, self._config, self.now())
        if self.status.is_local or is_kept:
            self._apply_locally([operation])
        if self.status is StoreStatus.LOST:
            self.pending.add_while_lost(operation)
        elif not is_kept:
            self.pending.add(operation)

    def record_failure(self, generation: int, *, slow: bool) -> bool:
        """Count a call of the closed ``generation`` that failed or was slow. Returns whether it counts."""
        # A child that was forked during its parent's call does not know the generation yet.
        is_new = self.status is StoreStatus.NEW
        if not (self.switch.is_in(generation) or is_new):
            return False
        generation = self.circuit.generation if is_new else generation
        delta = self.switch.delta(generation, failures=not slow, slow=slow)
        self.record(RecordOutcomes(delta))
        return True

    def collect(self) -> None:
        """Record what calls have counted on the fast path since the last time."""
        if self.switch.current is not None:
            delta = self.switch.delta(self.switch.current.generation)
            if delta:
                self.record(RecordOutcomes(delta))

    # --- a synchronization

    def begin(self) -> tuple[Snapshot, Received | None]:
        """A synchronization begins. Returns what it starts from, and the store's last answer."""
        self.become_lost_if_silent()
        self.collect()
        self.schedule.began()
        self._early_taken, self._early = self._early or None, EarlyOutcomes()
        is_lost = self.status is StoreStatus.LOST
        report = self._setup.report(self.circuit)
        reports = () if report is None else (ReportLoad(report),)
        snapshot = Snapshot(
            self._reporter_id,
            self.pending.take() + reports,
            self._early_taken,
            self.circuit if is_lost else self._confirmed,
            self._confirmed.generation,
            is_lost,
            self.schedule.lost_at + self._clock_offset,
            self.schedule.others_had_time,
            self._clock_offset,
        )
        brings_something = bool(snapshot.operations or snapshot.early)
        return snapshot, self._last_answer() if brings_something else None

    def finish(self, result: Synchronized, *, was_lost: bool) -> None:
        """A synchronization has ended; ``was_lost``: the store was lost at its start.

        Raises `TimeoutError` if it took so long that the store counts as lost meanwhile, and the operations with it.
        """
        self.become_lost_if_silent()
        lost_meanwhile = self.status is StoreStatus.LOST and not was_lost
        if lost_meanwhile or self.schedule.took_too_long:
            raise TimeoutError
        if result.raced:
            self.schedule.raced(self._jitter())
        if result.arrived:
            self.pending.confirm()
        else:
            self.pending.put_back()
            self._put_back_early()
            if was_lost:
                self._become_lost(self.error)
                return
        self._early_taken = None
        self._follow(result)

    def wait_for_others(self) -> None:
        """The store is back, but other processes may still refute the local circuit: continue with it."""
        self.schedule.came_back()
        self.pending.put_back()
        self._put_back_early()
        self._become_lost(self.error)

    def fail(self, error: str) -> None:
        """A synchronization has failed with the error called ``error``: continue with a local circuit."""
        if not self.status.is_local:
            self._apply_locally(self.pending.unconfirmed)
            self.schedule.became_lost()
        # Outcomes that may have arrived are not sent again: counted twice, they could open a healthy circuit.
        if self._early_taken is not None and not self._early_taken.may_be_stored:
            self._put_back_early()
        self._early_taken = None
        self.schedule.failed()
        self._become_lost(error)

    # --- a store that does not answer

    def become_slow(self) -> None:
        """The store does not answer in time: continue with a local circuit meanwhile."""
        if self.status.is_local:
            return
        self.collect()
        self.status, self.error = StoreStatus.SLOW, TimeoutError.__name__
        self.schedule.became_late()
        self._apply_locally(self.pending.unconfirmed)

    def become_lost_if_silent(self) -> None:
        """A store that is slow for too long is lost."""
        if self.status is StoreStatus.SLOW and self.schedule.is_silent:
            self.schedule.try_later()
            self._become_lost(self.error)

    # --- private

    def _last_answer(self) -> Received | None:
        """The store's last answer, unless it is too old to derive the store's time from."""
        received = self._received
        if received is None or self._clock() - received.at > LONGEST_DERIVED_TIME:
            return None
        return received if self.status is StoreStatus.ANSWERING else None

    def _follow(self, result: Synchronized) -> None:
        first = self._received is None
        circuit, received = result.circuit, result.received
        self.status, self.error = StoreStatus.ANSWERING, None
        self.circuit = self._confirmed = circuit
        self._received = received
        self._clock_offset = received.record.now - received.at
        is_new = circuit.state is CircuitState.CLOSED and not self.switch.is_in(circuit.generation)
        if first:
            self._take_in_running_calls(circuit)
        # `Window.assess` must know soon which processes succeed. So a breaker's first outcome, and what was counted
        # while the store was slow, are sent with the next call.
        unsent = bool(self.pending) or bool(self._early)
        again = is_new or (unsent and not self.schedule.gather_for)
        self.schedule.answered(received.at, again=again)
        self._update_fast_path()

    def _take_in_running_calls(self, circuit: Circuit) -> None:
        """Calls that began before the first answer belong to no known generation. If the circuit's generation is older
        than this breaker, they belong to it."""
        is_older = (circuit.began_at or LONG_AGO) <= self._born_at + self._clock_offset
        if circuit.state is CircuitState.CLOSED and is_older and self.switch.current is not None:
            self.switch.current.generation = circuit.generation

    def _put_back_early(self) -> None:
        if self._early_taken is not None:
            self._early_taken.add_later(self._early)
            self._early, self._early_taken = self._early_taken, None

    def _become_lost(self, error: str | None) -> None:
        self.status, self.error = StoreStatus.LOST, error
        self.pending.lose(self._confirmed)
        self.schedule.try_later()
        self._update_fast_path()

    def _apply_locally(self, operations: list[Operation]) -> None:
        local = [operation for operation in operations if not operation.for_store_only]
        self.circuit = apply_all(local, self.circuit, self._config, self.now(), self._jitter())
        self._update_fast_path()

    def _update_fast_path(self) -> None:
        override = self.circuit.override_at(self.now())
        self.switch.follow(self.circuit, override, self.schedule.due)
