"""Orders of the previous version, in the rows that it wrote before the run."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from breakwall.payments.gateways import ChargeRequest
from breakwall.payments.orders import Order
from tests.simulation.service import SimulatedService
from tests.simulation.storage import Storage

AGE = 60.0  # Seconds before the run at which they were sent.

NO_CHARGE = "Looked up afterwards: there is no such charge."


@dataclass
class EarlierOrder:
    """One order, and its rows."""

    order: Order
    id: str
    charge_key: str  # The caller's own, unless it was rotated.
    due: float
    attempts: int = 0

    def request(self) -> ChargeRequest:
        order = self.order
        return ChargeRequest(self.id, order.user_id, order.amount, order.currency, self.charge_key)


class PreviousVersion:
    """Writes rows as the previous version left them: no derived key, no known charge, empty new columns."""

    def __init__(self, rng: Random, storage: Storage, service: SimulatedService) -> None:
        self._rng = rng
        self._storage = storage
        self._service = service

    def accept(self, order: Order, due: float) -> str:
        """Write an order that the previous version accepted, due at a moment; returns its id."""
        one = EarlierOrder(order, self._rng.randbytes(16).hex(), order.idempotency_key, due)
        kinds: tuple[Callable[[EarlierOrder], None], ...] = (
            self._timed_out,
            self._failed_over_there,
            self._rotated,
            self._crashed,
            self._never_sent,
            self._paid,
        )
        self._rng.choice(kinds)(one)
        return one.id

    def _timed_out(self, one: EarlierOrder) -> None:
        self._queue(one)
        self._try(one, "unknown", "ReadTimeout")
        self._perhaps_charge(one)

    def _failed_over_there(self, one: EarlierOrder) -> None:
        self._queue(one)
        self._try(one, "unknown", "http_503")
        self._perhaps_charge(one)

    def _rotated(self, one: EarlierOrder) -> None:
        """A 500 that was looked up: the key after it has the number of the claim."""
        self._queue(one, fence=2)
        self._try(one, "failed", "http_500", detail=NO_CHARGE)
        one.charge_key = f"{one.id}.2"
        self._storage.rows("UPDATE orders SET charge_key = ? WHERE id = ?", one.charge_key, one.id)
        self._try(one, "unknown", "ReadTimeout", source="worker")
        self._perhaps_charge(one)

    def _crashed(self, one: EarlierOrder) -> None:
        self._insert(one, status="in_flight", lease_until=self._storage.text(one.due), fence=1)
        self._try(one, None, None)
        self._perhaps_charge(one)

    def _never_sent(self, one: EarlierOrder) -> None:
        self._queue(one)

    def _paid(self, one: EarlierOrder) -> None:
        charge_id = self._service.charged_earlier(one.request(), -AGE)
        at = self._storage.text(-AGE)
        self._insert(one, status="paid", charge_id=charge_id, settled_at=at, fence=1)
        self._try(one, "succeeded", None, charge_id=charge_id)

    def _perhaps_charge(self, one: EarlierOrder) -> None:
        if self._rng.random() < 0.5:
            self._service.charged_earlier(one.request(), -AGE)

    def _queue(self, one: EarlierOrder, fence: int = 1) -> None:
        due = self._storage.text(one.due)
        self._insert(one, status="queued", next_attempt_at=due, dispatch_at=due, fence=fence)

    def _insert(self, one: EarlierOrder, **columns: object) -> None:
        order = one.order
        self._storage.insert(
            "orders",
            id=one.id,
            idempotency_key=order.idempotency_key,
            user_id=order.user_id,
            amount=order.amount,
            currency=order.currency,
            charge_key=one.charge_key,
            created_at=self._storage.text(-AGE),
            **columns,
        )

    def _try(
        self,
        one: EarlierOrder,
        outcome: str | None,
        code: str | None,
        *,
        detail: str = "",
        source: str = "producer",
        charge_id: str | None = None,
    ) -> None:
        one.attempts += 1
        self._storage.insert(
            "attempts",
            order_id=one.id,
            number=one.attempts,
            source=source,
            fence=one.attempts,
            gateway_key=one.charge_key,
            started_at=self._storage.text(-AGE),
            finished_at=outcome and self._storage.text(-AGE + 10),
            outcome=outcome,
            code=code,
            detail=detail,
            charge_id=charge_id,
        )
        self._storage.rows(
            "UPDATE orders SET attempt_count = ?, retry_count = retry_count + ? WHERE id = ?",
            one.attempts,
            source == "worker",
            one.id,
        )
