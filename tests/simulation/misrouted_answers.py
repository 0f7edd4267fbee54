"""Wrong answers: another order's, or with another amount."""

import json
from collections.abc import Callable, Iterator

from tests.simulation.service_behavior import ServiceBehavior
from tests.simulation.service_ledger import Execution, ServiceLedger
from tests.simulation.wire import SendReply, ServiceReply, as_json
from tests.simulation.world import Part, World


class MisroutedAnswers(Part):
    """Replaces answers now and then, where the product can notice it.

    An answer of another order names the order or the amount, or the product knows that its charge is the other
    order's: ``is_owned``.
    """

    def __init__(
        self,
        world: World,
        ledger: ServiceLedger,
        behavior: ServiceBehavior,
        is_owned: Callable[[str], bool],
    ) -> None:
        super().__init__(world)
        self._ledger = ledger
        self._behavior = behavior
        self._is_owned = is_owned

    def mixed_into(self, answer: SendReply, order_id: str) -> SendReply:
        """``answer``, which now and then sends a wrong answer instead."""

        def answer_somehow(reply: ServiceReply) -> None:
            answer(self._of_another(order_id) or self._of_another_amount(reply) or reply)

        return answer_somehow

    def _of_another(self, order_id: str) -> ServiceReply | None:
        if not self._faults.may_occur("answer of another order"):
            return None
        others = [one for one in self._recognizable() if one.request.order_id != order_id]
        if not others or not self._faults.occurs("answer of another order"):
            return None
        other = self._rng.choice(others)
        self._trace.record("payment service", f"gives {order_id} the answer of {other.request.order_id}")
        named = {name: getattr(other.request, name) for name in self._behavior.names}
        if other.charge_id is None:
            return as_json(402, status="declined", code="card_declined", **named)
        return as_json(200, status="succeeded", charge_id=other.charge_id, **named)

    def _recognizable(self) -> Iterator[Execution]:
        for one in self._ledger.finished():
            if self._behavior.names or (one.charge_id is not None and self._is_owned(one.charge_id)):
                yield one

    def _of_another_amount(self, reply: ServiceReply) -> ServiceReply | None:
        if reply.status != 200 or "amount" not in self._behavior.names:
            return None
        said = json.loads(reply.body)
        if "amount" not in said or not self._faults.occurs("answer names another amount"):
            return None
        changes = self._rng.choice(({"amount": said["amount"] * 100}, {"currency": "JPY"}))
        return as_json(200, **{**said, **changes})
