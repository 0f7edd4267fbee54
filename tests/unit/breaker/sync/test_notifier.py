"""Each change is told once, whoever notices another one meanwhile."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.sync.notifier import Notifier
from breakwall.breaker.sync.replica_state import StoreStatus
from tests.unit.breaker.doubles import Clock, setup_of


def state(status: StoreStatus = StoreStatus.ANSWERING) -> Any:
    return SimpleNamespace(
        lock=threading.Lock(),
        give_up_if_silent=lambda: None,
        now=lambda: 0.0,
        circuit=Circuit(),
        status=status,
        error=None,
    )


def test_a_change_that_comes_while_another_is_told_is_told_once_and_hides_nothing() -> None:
    replica, told = state(), []

    def changed(before: Circuit, after: Circuit, _: float) -> None:
        told.append((before.generation, after.generation))
        if after.generation == 1:
            # As another thread would, between this change and the next.
            replica.circuit, replica.error = Circuit(generation=2), None
            notifier.announce()

    notifier = Notifier(setup_of(Clock(), on_change=changed, on_store=told.append), replica)
    replica.circuit, replica.error = Circuit(generation=1), "TimeoutError"
    notifier.announce()
    assert told == [(0, 1), (1, 2), None, "TimeoutError"]


def test_a_lost_store_is_told_once_though_its_error_changes() -> None:
    """A call is overdue, and then it fails."""
    replica, told = state(StoreStatus.LOST), []
    notifier = Notifier(setup_of(Clock(), on_store=told.append), replica)
    for replica.error in ("TimeoutError", "OperationalError", None):
        notifier.announce()
    assert told == ["TimeoutError", None]


def test_outcomes_alone_are_no_change() -> None:
    replica, told = state(), []
    notifier = Notifier(setup_of(Clock(), on_change=told.append), replica)
    replica.circuit = Circuit(last_failure_at=1.0)
    notifier.announce()
    assert told == []
