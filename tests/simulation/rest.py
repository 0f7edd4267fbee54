"""What must hold once everything has come to rest: the rules of `tests.chaos`, and what only a simulation can know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row

from breakwall.payments.gateways import Advice
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.orders import OrderStatus
from tests.chaos.invariants import Evidence, broken, read_evidence
from tests.simulation.customers import Customers
from tests.simulation.scenario import Scenario
from tests.simulation.service import PaymentService
from tests.simulation.storage import Storage
from tests.simulation.witness import Witness


@dataclass(frozen=True)
class Charge:
    """One entry of the payment service's ledger, as the rules want it."""

    charge_id: str
    key: str
    order_id: str
    user_id: str
    amount: int
    currency: str
    status: str = "succeeded"


class Judge:
    """Compares the books of a run."""

    def __init__(
        self, storage: Storage, scenario: Scenario, service: PaymentService, witness: Witness
    ) -> None:
        self._storage = storage
        self._scenario = scenario
        self._service = service
        self._witness = witness

    def violations(self, customers: Customers, *, redriven_at: float | None, worked_up: bool) -> list[str]:
        """Every way in which an invariant is broken, in sentences.

        Args:
            redriven_at: when every order that waited for a person was sent round again, past every fault; None if
                people have settled what was in review since, or nobody did anything.
            worked_up: people have done so often enough, and have settled what was in review in between.
        """
        requests = [which for which, times in self._witness.requests.items() for _ in range(times)]
        charges = list(_charges(self._service))
        evidence = read_evidence(self._storage.database, charges, requests=requests)
        accepted = [customer.order for customer in customers.all if customer.told]
        rows = evidence.orders.values()
        statuses = {row.idempotency_key: (row.id, OrderStatus(row.status)) for row in rows}
        return [
            *broken(self._excused(evidence, customers), accepted=accepted),
            *customers.broken_promises(statuses),
            *self._uncalled_for_reviews(evidence),
            *self._uncounted_retries(evidence),
            *self._unreported(evidence),
            *(self._left_for_a_person(evidence, redriven_at, worked_up=worked_up)),
        ]

    def _excused(self, evidence: Evidence, customers: Customers) -> Evidence:
        """Without the charges of orders that were lost with the database, placed again, and ended unpaid.

        Nobody could know of the charge, until they are sent once more. But a refusal has to be looked up.
        """
        lost = {customer.order.idempotency_key for customer in customers.all if customer.placed_again}
        excused = {
            order.id
            for order in evidence.orders.values()
            if order.idempotency_key in lost
            and order.status in {OrderStatus.DEAD, OrderStatus.CANCELLED}
            and not self._told_to_look(evidence, order.id)
        }
        charges = {order_id: made for order_id, made in evidence.charges.items() if order_id not in excused}
        return replace(evidence, charges=charges)

    def _told_to_look(self, evidence: Evidence, order_id: str) -> bool:
        refused = any(attempt.advice == Advice.STOP for attempt in evidence.attempts.get(order_id, ()))
        return refused and self._scenario.habits.profile.looks_up

    def _uncalled_for_reviews(self, evidence: Evidence) -> Iterator[str]:
        """Only what cannot be settled without a person may wait for one."""
        for order in evidence.orders.values():
            if order.status == OrderStatus.REVIEW and not self._may_be_in_review(order):
                yield f"order {order.idempotency_key} is in review without need: {order.last_error}"

    def _may_be_in_review(self, order: Row[Any]) -> bool:
        scenario = self._scenario
        looked_up_in_vain = order.look_up_count - order.look_up_floor >= scenario.max_attempts
        return (
            not scenario.habits.profile.looks_up
            or looked_up_in_vain
            or order.crash_count >= POISON_CRASHES
            or self._is_disputed(order.id)
        )

    def _is_disputed(self, order_id: str) -> bool:
        return order_id in self._witness.misled or order_id in self._service.refused

    def _left_for_a_person(
        self, evidence: Evidence, redriven_at: float | None, *, worked_up: bool
    ) -> Iterator[str]:
        """Where a look-up can be believed, sending an order round again settles it; elsewhere, with a person's word."""
        for order in evidence.orders.values():
            if order.status not in {OrderStatus.REVIEW, OrderStatus.DEAD}:
                continue
            sent_round = redriven_at is not None and not self._is_disputed(order.id)
            if worked_up or (sent_round and self._is_believed(order, redriven_at or 0.0)):
                yield f"order {order.idempotency_key} was sent round again and is {order.status}: {order.last_error}"

    def _is_believed(self, order: Row[Any], since: float) -> bool:
        """Whether look-ups for an order can be tried out: a charge under such a key was known, and each is found."""
        habits, settled = self._scenario.habits, since - self._scenario.habits.profile.settle_seconds
        known = self._storage.rows(
            "SELECT key, charge_id, at FROM charges WHERE key_shape = ?", key_shape(order.charge_key)
        )
        return (
            habits.look_up_works
            and any(self._storage.moment(at) <= settled for _, _, at in known)
            and all(self._finds(key, charge_id) for key, charge_id, _ in known)
        )

    def _finds(self, key: str, charge_id: str) -> bool:
        reply = self._service.sight(key)
        return reply.status == 200 and json.loads(reply.body).get("charge_id") == charge_id

    def _uncounted_retries(self, evidence: Evidence) -> Iterator[str]:
        """``retry_count`` is what workers sent, and what they died before sending."""
        for order in evidence.orders.values():
            sent = self._witness.retries[order.id]
            if not sent <= order.retry_count <= sent + self._witness.unsent[order.id]:
                yield f"order {order.idempotency_key} has retry_count {order.retry_count}, workers sent {sent}"

    def _unreported(self, evidence: Evidence) -> Iterator[str]:
        """An answer about another charge is an incident, and nothing else is one of that kind."""
        for order in evidence.orders.values():
            reported = "wrong_charge" in evidence.incidents.get(order.id, ())
            if order.id in self._witness.warned and not reported:
                yield f"order {order.idempotency_key} met another charge, and no incident tells of it"
            if reported and order.id not in self._witness.misled:
                yield f"order {order.idempotency_key} has an incident of another charge, which it never met"


def _charges(service: PaymentService) -> Iterator[Charge]:
    for executions in service.books.charges.values():
        for one in executions:
            sent = one.request
            yield Charge(
                str(one.charge_id),
                sent.idempotency_key,
                sent.order_id,
                sent.user_id,
                sent.amount,
                sent.currency,
            )
