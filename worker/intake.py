"""How many orders the worker takes from its broker: none while the gate is closed, else as many as it has use for."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from breakwall.breaker import Event, Refusal
from breakwall.worker.gate import Allowance, Gate

log = logging.getLogger("breakwall.worker")

# Seconds between two reads of the gate. The circuit's own moments are known before, and its events wake the reader, so
# these are for what other processes and persons change. A read may be one query of the breaker's store.
BUSY_INTERVAL = 0.2  # While orders are in hand, or probes run.
# The dispatcher reads the gate too, by default each second, and what it learns of the circuit wakes the reader.
IDLE_INTERVAL = 1.0
LONGEST_TURN = 1.0  # While a rate lets nothing be sent: each read of the breaker's store is a transaction.
SHORTEST = 0.02


class DrainLoad(Protocol):
    """What an intake reads of a drain."""

    @property
    def held(self) -> int:
        """How many orders were submitted and are not done."""

    @property
    def wanted(self) -> int:
        """How many more orders it has use for now: a few times its slots, less those that it holds."""


class Intake:
    """Keeps what `Gate` allowed last, because the event loop reads it for each message and may not wait.

    Nothing is taken before the first `refresh`.
    """

    def __init__(self, gate: Gate, drain: DrainLoad) -> None:
        self._gate = gate
        self._drain = drain
        self._allowance = Allowance(0)
        # Called, from any thread, when there may be room again, or none.
        self.on_change: Callable[[], object] = lambda: None

    @property
    def capacity(self) -> int:
        """How many orders the worker may hold at once; 0 while nothing may be sent."""
        slots = self._allowance.slots
        room = self.held + max(0, self._drain.wanted)
        return room if slots is None else min(room, slots)

    @property
    def held(self) -> int:
        """How many orders the worker holds."""
        return self._drain.held

    def refresh(self) -> float:
        """Read the gate; return the seconds until the next read."""
        before, self._allowance = self._allowance, self._gate.allowance()
        if before.slots != self._allowance.slots:
            self.on_change()
        return self._pause()

    def _pause(self) -> float:
        allowance = self._allowance
        if allowance.slots == 0 and allowance.retry_after > 0:
            return max(SHORTEST, min(allowance.retry_after, IDLE_INTERVAL))
        if allowance.slots is None and self.held:
            return min(max(BUSY_INTERVAL, allowance.retry_after), LONGEST_TURN)
        return BUSY_INTERVAL if self.held or allowance.slots is not None else IDLE_INTERVAL


class IntakeLoop:
    """Refreshes an intake in a thread of its own until it is stopped."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._stopped = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-gate", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self, event: Event | None = None) -> None:
        """Refresh now: something has happened to the circuit. Never waits.

        A refused call is nothing new: what refuses it is an event of its own.
        """
        if not isinstance(event, Refusal):
            self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._refresh())
            self._wake.clear()

    def _refresh(self) -> float:
        try:
            return self._intake.refresh()
        except Exception:
            log.exception("the gate could not be read, and is read again")
            return IDLE_INTERVAL
