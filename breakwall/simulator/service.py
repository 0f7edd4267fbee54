"""The payment service itself: keys, charges and counts, without any HTTP."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from breakwall.simulator.ledger import Charge, Ledger
from breakwall.simulator.randomness import charge_id

_RATE_WINDOW = 5.0
"""Seconds over which charges per second are counted: steady to look at, quick to follow an outage."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What is to be charged; ``amount`` is an integer in the currency's minor units."""

    order_id: str
    user_id: str
    amount: int
    currency: str
    reference: str | None = None


class KeyBusyError(Exception):
    """The same key is being charged right now."""


class KeyReusedError(Exception):
    """The key was used with another payload."""


class Counts:
    """Running totals of a ledger, so that showing them does not read it."""

    def __init__(self) -> None:
        self.charges = 0
        self.declines = 0
        self.doubles = 0
        self.by_order: Counter[str] = Counter()
        self.recent: deque[float] = deque(maxlen=100_000)

    def add(self, charge: Charge) -> None:
        if charge.status == "declined":
            self.declines += 1
            return
        self.charges += 1
        self.doubles += self.by_order[charge.order_id] > 0
        self.by_order[charge.order_id] += 1


class PaymentService:
    """Charges once for each key, or each time it is asked where it does not deduplicate.

    Safe to share between threads; nothing is locked while a charge goes to disk.
    """

    def __init__(self, ledger: Ledger, *, seed: int, deduplicate: bool) -> None:
        self._ledger = ledger
        self._seed = seed
        self._deduplicate = deduplicate
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._payloads: dict[str, Payload] = {}
        self._done: dict[str, Charge] = {}
        self._executions: Counter[str] = Counter()
        self._counts = Counts()
        for charge in ledger.charges():
            self._executions[charge.key] += 1
            self._settle(charge)

    def begin(self, key: str, payload: Payload) -> Charge | None:
        """Start to charge; the earlier charge where this key has one.

        What was begun must be ended with `complete` or `abandon`.

        Raises:
            KeyBusyError, KeyReusedError: nothing is begun.
        """
        with self._lock:
            if self._deduplicate and key in self._payloads:
                if self._payloads[key] != payload:
                    raise KeyReusedError
                if key not in self._done:
                    raise KeyBusyError
                return self._done[key]
            self._payloads[key] = payload
            self._running[key] += 1
            return None

    def complete(self, key: str, payload: Payload, *, declined: bool) -> Charge:
        """Charge or decline, on disk when this returns.

        Raises:
            sqlite3.Error: it could not be written; nothing was charged.
        """
        with self._lock:
            number = self._executions[key]
            self._executions[key] += 1
        status, code = ("declined", "card_declined") if declined else ("succeeded", None)
        charge = Charge(
            charge_id(self._seed, key, number),
            key,
            payload.order_id,
            payload.user_id,
            payload.amount,
            payload.currency,
            status,
            code,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            payload.reference,
        )
        try:
            self._ledger.record(charge)
        except BaseException:
            self.abandon(key)
            raise
        with self._lock:
            self._settle(charge)
            self._end(key)
            if not declined:
                self._counts.recent.append(time.monotonic())
        return charge

    def abandon(self, key: str) -> None:
        """End what was begun without a charge; the key is free again."""
        with self._lock:
            self._end(key)

    def look_up(self, key: str) -> Charge | str | None:
        """The charge made under ``key``, ``"processing"``, or None where there is none."""
        with self._lock:
            done = self._done.get(key)
            if done is not None and done.status == "succeeded":
                return done
            return "processing" if self._running[key] else done

    def stats(self) -> dict[str, Any]:
        """Totals of the ledger, and the present rate of charges."""
        now = time.monotonic()
        with self._lock:
            recent = self._counts.recent
            while recent and recent[0] < now - _RATE_WINDOW:
                recent.popleft()
            return {
                "charges": self._counts.charges,
                "declines": self._counts.declines,
                "distinct_orders": len(self._counts.by_order),
                "double_charges": self._counts.doubles,
                "charges_per_second": round(len(recent) / _RATE_WINDOW, 1),
                "running": sum(self._running.values()),
            }

    def _settle(self, charge: Charge) -> None:
        self._payloads[charge.key] = Payload(
            charge.order_id, charge.user_id, charge.amount, charge.currency, charge.reference
        )
        earlier = self._done.get(charge.key)
        if earlier is None or earlier.status != "succeeded":
            self._done[charge.key] = charge
        self._counts.add(charge)

    def _end(self, key: str) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
            if key not in self._done:
                self._payloads.pop(key, None)
