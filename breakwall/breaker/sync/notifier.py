"""Tells a breaker of each change of its shared replica once."""

from breakwall.breaker.sync.replica import Setup
from breakwall.breaker.sync.replica_state import ReplicaState, StoreStatus


class Notifier:
    def __init__(self, setup: Setup, state: ReplicaState) -> None:
        self._setup = setup
        self._state = state
        self.reset()

    def reset(self) -> None:
        """What a replica begins with is no change."""
        self._circuit = self._state.circuit
        self._error: str | None = None

    def announce(self) -> None:
        """Tell what has changed. A store that is only slow has not changed: it may yet answer."""
        state = self._state
        with state.lock:
            state.give_up_if_silent()
            before, error_before = self._circuit, self._error
            after = self._circuit = state.circuit
            error = self._error = error_before if state.status is StoreStatus.SLOW else state.error
        # Another thread may be here by now, with later changes; those of this one are in nobody else's hands.
        if before.generation != after.generation or before.override is not after.override:
            self._setup.on_change(before, after, state.now())
        # Another error of the same loss is no change: a call was overdue, and then it failed.
        if (error is None) != (error_before is None):
            self._setup.on_store(error)
