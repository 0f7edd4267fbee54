"""The part of the payment service that prepares charges, confirms them, and cancels charges."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from breakwall.payments.gateways import ChargeRequest
from tests.simulation.service_ledger import Execution
from tests.simulation.trace import Violation
from tests.simulation.wire import ServiceReply, as_json


@dataclass(eq=False)
class PreparedCharge:
    """A charge that was created, and charges once at most."""

    id: str
    request: ChargeRequest
    created_at: float
    execution: Execution | None = None  # The one that confirms it, also while it runs.
    cancelled: bool = False


class PreparedCharges:
    """Every prepared charge of a run, and the keys that were cancelled. ``paid`` and ``declined`` answer for them."""

    def __init__(
        self,
        paid: Callable[[Execution], ServiceReply],
        declined: Callable[[int, Execution], ServiceReply],
    ) -> None:
        self._paid, self._declined = paid, declined
        self._by_id: dict[str, PreparedCharge] = {}
        self.stored_errors: dict[str, ServiceReply] = {}  # By key: the service repeats them.
        self.cancelled_keys: set[str] = set()

    def of_key(self, key: str, *, since: float) -> PreparedCharge | None:
        """The newest one that was created under a key since a moment."""
        found = [
            one
            for one in self._by_id.values()
            if one.request.idempotency_key == key and one.created_at > since
        ]
        return found[-1] if found else None

    def create(self, request: ChargeRequest, now: float) -> PreparedCharge:
        one = PreparedCharge(f"pi_{len(self._by_id) + 1}", request, now)
        self._by_id[one.id] = one
        return one

    def named_in(self, request: ChargeRequest) -> PreparedCharge:
        """The one that a request confirms. Raises `Violation` if it is another order's, or does not exist."""
        one = self._by_id.get(request.prepared or "")
        if one is None or one.request != replace(request, prepared=None):
            raise Violation(f"{request} confirms {one}")
        return one

    def state_of(self, prepared: str) -> ServiceReply:
        """What a look-up by id finds: at once what has happened until now."""
        one = self._by_id[prepared]
        if one.cancelled:
            return as_json(200, status="cancelled")
        if one.execution is None:
            return as_json(200, status="prepared")
        return self._state(one.execution)

    def cancel(self, request: ChargeRequest, executions: list[Execution]) -> ServiceReply:
        """Cancel a prepared charge, or everything under a key with these executions; or say why not."""
        if request.prepared is not None:
            one = self.named_in(request)
            if one.execution is None:
                one.cancelled = True
            return self.state_of(one.id)
        for execution in executions:
            if execution.charge_id or execution.declined or execution.answer is None:
                return self._state(execution)
        self.cancelled_keys.add(request.idempotency_key)
        return as_json(200, status="cancelled")

    def _state(self, execution: Execution) -> ServiceReply:
        if execution.charge_id:
            return self._paid(execution)
        if execution.declined:
            return self._declined(200, execution)
        return as_json(200, status="processing")
