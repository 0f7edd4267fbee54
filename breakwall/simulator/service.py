"""The payment service itself: keys, charges and totals, without HTTP."""

import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from breakwall.simulator.ledger import Charge, ChargeLedger
from breakwall.simulator.samples import charge_id

# Seconds over which charges per second are counted: steady to look at, and quick to follow an outage.
_RATE_WINDOW = 5.0


@dataclass(frozen=True, slots=True)
class Payload:
    """What is to be charged; ``amount`` is in the currency's minor units."""

    order_id: str
    user_id: str
    amount: int
    currency: str
    reference: str | None = None


class KeyBusyError(Exception):
    """The same key is being charged right now."""


class KeyReusedError(Exception):
    """The key was used with another payload."""


class Totals:
    """Running totals of a ledger, so that showing them does not read it."""

    def __init__(self) -> None:
        self.charges = self.declines = self.double_charges = 0
        self.by_order: Counter[str] = Counter()
        self.recent: deque[float] = deque(maxlen=100_000)

    def add(self, charge: Charge) -> None:
        if charge.status == "declined":
            self.declines += 1
            return
        self.charges += 1
        self.double_charges += self.by_order[charge.order_id] > 0
        self.by_order[charge.order_id] += 1

    def as_json(self, now: float) -> dict[str, Any]:
        while self.recent and self.recent[0] < now - _RATE_WINDOW:
            self.recent.popleft()
        return {
            "charges": self.charges,
            "declines": self.declines,
            "distinct_orders": len(self.by_order),
            "double_charges": self.double_charges,
            "charges_per_second": round(len(self.recent) / _RATE_WINDOW, 1),
        }


class PaymentService:
    """Charges once for each key, or for each request if it does not deduplicate.

    Threads may share it. No lock is held while a charge is written to disk.
    """

    def __init__(self, ledger: ChargeLedger, *, seed: int, deduplicate: bool) -> None:
        self._ledger = ledger
        self._seed = seed
        self._deduplicate = deduplicate
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._payloads: dict[str, Payload] = {}
        self._done: dict[str, Charge] = {}
        self._executions: Counter[str] = Counter()
        self._totals = Totals()
        for charge in ledger.charges():
            self._executions[charge.key] += 1
            self._remember(charge)

    def begin(self, key: str, payload: Payload) -> Charge | None:
        """Begin to charge; returns the earlier charge if this key has one.

        `complete` or `abandon` must follow if it returns None.

        Raises:
            KeyBusyError, KeyReusedError: nothing was begun.
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
        """Charge or decline; returns when it is on disk.

        Raises:
            sqlite3.Error: it could not be written; nothing was charged.
        """
        with self._lock:
            number = self._executions[key]
            self._executions[key] += 1
        charge = Charge(
            charge_id=charge_id(self._seed, key, number),
            key=key,
            status="declined" if declined else "succeeded",
            code="card_declined" if declined else None,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **asdict(payload),
        )
        try:
            self._ledger.record(charge)
        except BaseException:
            self.abandon(key)
            raise
        with self._lock:
            self._remember(charge)
            self._end(key)
            if not declined:
                self._totals.recent.append(time.monotonic())
        return charge

    def abandon(self, key: str) -> None:
        """End without a charge; the key is free again."""
        with self._lock:
            self._end(key)

    def look_up(self, key: str) -> Charge | str | None:
        """The charge made under ``key``, ``"processing"``, or None if there is none."""
        with self._lock:
            done = self._done.get(key)
            if done is not None and done.status == "succeeded":
                return done
            return "processing" if self._running[key] else done

    def stats(self) -> dict[str, Any]:
        """Totals of the ledger, the current rate, and the number of running charges."""
        with self._lock:
            return {**self._totals.as_json(time.monotonic()), "running": sum(self._running.values())}

    def _remember(self, charge: Charge) -> None:
        self._payloads[charge.key] = Payload(
            charge.order_id, charge.user_id, charge.amount, charge.currency, charge.reference
        )
        earlier = self._done.get(charge.key)
        if earlier is None or earlier.status != "succeeded":
            self._done[charge.key] = charge
        self._totals.add(charge)

    def _end(self, key: str) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
            if key not in self._done:
                self._payloads.pop(key, None)
