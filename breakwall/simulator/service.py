"""The payment service itself: keys, charges and totals, without HTTP."""

import hashlib
import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from breakwall.simulator.charge_book import Charge, ChargeBook

# Seconds over which charges per second are counted: long enough to be steady, short enough to show an outage.
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
    """Running totals of a charge book, so that statistics need not read it."""

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

    def __init__(self, charge_book: ChargeBook, *, seed: int, deduplicate: bool) -> None:
        self._charge_book, self._seed, self._deduplicate = charge_book, seed, deduplicate
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._payloads: dict[str, Payload] = {}
        self._done: dict[str, Charge] = {}
        self._executions: Counter[str] = Counter()
        self._totals = Totals()
        for charge in charge_book.charges():
            self._executions[charge.key] += 1
            self._remember(charge)

    def begin(self, key: str, payload: Payload) -> Charge | None:
        """Begin to charge, or return the earlier charge of this key; or raise `KeyBusyError` or `KeyReusedError`.

        If it returns None, `complete` or `abandon` must follow.
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
        """Charge or decline; return when it is on disk. `sqlite3.Error`: nothing was charged."""
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
            self._charge_book.record(charge)
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
        """Stop without a charge; the key is free again."""
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
        """Totals of the charge book, the current rate, and the number of running charges."""
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


def charge_id(seed: int, key: str, number: int) -> str:
    """The id of the ``number``-th charge under ``key``; the same seed gives the same id."""
    return "ch_" + hashlib.sha256(f"{seed}:{number}:{key}".encode(errors="surrogatepass")).hexdigest()[:24]
