"""The payment service's own ledger. Orders are compared with its charges."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from breakwall.payments.gateways import ChargeRequest
from breakwall.payments.gateways.base import ChargeDetails
from tests.simulation.trace import Violation
from tests.simulation.wire import ServiceReply


@dataclass(eq=False)
class Execution:
    """One execution of a request. ``charge_id`` is set once money has moved."""

    request: ChargeRequest
    begun_at: float
    visible_at: float = float("inf")
    charge_id: str | None = None
    declined: bool = False
    answer: ServiceReply | None = None


class ServiceLedger:
    """Every execution. ``charges`` are those in which money moved, by order."""

    def __init__(self) -> None:
        self.charges: dict[str, list[Execution]] = defaultdict(list)
        self._by_key: dict[str, list[Execution]] = defaultdict(list)
        self._by_charge: dict[str, Execution] = {}

    def begin(self, key: str, execution: Execution) -> None:
        """Begin an execution under the key that the service stores."""
        self._by_key[key].append(execution)

    def forget(self, key: str, execution: Execution) -> None:
        """Forget an execution that failed."""
        self._by_key[key].remove(execution)

    def move_money(self, execution: Execution) -> str:
        """Charge. Raises `Violation` for an order's second charge."""
        order_id = execution.request.order_id
        execution.charge_id = f"ch_{len(self._by_charge) + 1}"
        self.charges[order_id].append(execution)
        self._by_charge[execution.charge_id] = execution
        if len(self.charges[order_id]) > 1:
            raise Violation(f"order {order_id} was charged twice")
        return execution.charge_id

    def under(self, key: str) -> list[Execution]:
        """The executions under one key, first to last."""
        return self._by_key[key]

    def finished(self) -> Iterator[Execution]:
        """Those that charged or were declined, in the order of their keys' first use."""
        for executions in self._by_key.values():
            yield from (one for one in executions if one.charge_id or one.declined)

    def misleads(self, charge_id: str | None, named: ChargeDetails, request: ChargeRequest) -> bool:
        """Whether an answer is about another charge than the request's."""
        execution = self._by_charge.get(charge_id or "")
        if execution is not None and execution.request.order_id != request.order_id:
            return True
        pairs = (
            (named.order_id, request.order_id),
            (named.amount, request.amount),
            (named.currency, request.currency),
        )
        return any(value is not None and value != real for value, real in pairs)
