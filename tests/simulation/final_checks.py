"""The invariants of a run at rest: those of `tests.chaos`, and those that only a simulation can check."""

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
from tests.simulation.observer import RunObserver
from tests.simulation.outcome_checks import OutcomeChecks
from tests.simulation.scenario import Scenario
from tests.simulation.service import SimulatedService
from tests.simulation.storage import Storage


@dataclass(frozen=True)
class SimulatedCharge:
    """One entry of the payment service's ledger, as the invariants read it."""

    charge_id: str
    key: str
    order_id: str
    user_id: str
    amount: int
    currency: str
    status: str = "succeeded"


class FinalChecks:
    """Compares a run's orders with the payment service's ledger and with what was observed."""

    def __init__(
        self,
        storage: Storage,
        scenario: Scenario,
        service: SimulatedService,
        observer: RunObserver,
        outcomes: OutcomeChecks,
    ) -> None:
        self._storage = storage
        self._scenario = scenario
        self._service = service
        self._observer = observer
        self._outcomes = outcomes

    def violations(
        self, customers: Customers, *, retried_at: float | None, all_rounds_done: bool
    ) -> list[str]:
        """A sentence for each way in which an invariant is broken.

        Args:
            retried_at: when operators retried every order that waited for a person, after the last fault; None if they
                have resolved the reviews since, or have done nothing.
            all_rounds_done: operators have retried often enough, and have resolved the reviews in between.
        """
        requests = [which for which, times in self._observer.requests.items() for _ in range(times)]
        charges = list(_charges(self._service))
        evidence = read_evidence(self._storage.database, charges, requests=requests)
        accepted = [customer.order for customer in customers.all if customer.answers]
        rows = evidence.orders.values()
        statuses = {row.idempotency_key: (row.id, OrderStatus(row.status)) for row in rows}
        return [
            *broken(self._excused(evidence, customers), accepted=accepted),
            *customers.wrong_acknowledgements(statuses),
            *self._needless_reviews(evidence),
            *self._uncounted_retries(evidence),
            *self._unreported(evidence),
            *self._outcomes.violations(evidence.orders.values(), customers),
            *(self._left_for_a_person(evidence, retried_at, all_rounds_done=all_rounds_done)),
        ]

    def _excused(self, evidence: Evidence, customers: Customers) -> Evidence:
        """The evidence without the charges of orders that the database lost, and that ended unpaid when placed again.

        The charge is unknown until such an order is sent again. But a refusal has to be looked up.
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
        return refused and self._scenario.behavior.profile.looks_up

    def _needless_reviews(self, evidence: Evidence) -> Iterator[str]:
        """An order may wait for a person only where its outcome cannot be resolved without one."""
        for order in evidence.orders.values():
            if order.status == OrderStatus.REVIEW and not self._may_be_in_review(order):
                yield f"order {order.idempotency_key} is in review without need: {order.last_error}"

    def _may_be_in_review(self, order: Row[Any]) -> bool:
        scenario = self._scenario
        return (
            self._ways(order) == 0
            or order.look_up_count - order.look_up_floor >= scenario.max_attempts * self._ways(order)
            or order.crash_count > POISON_CRASHES
            or self._is_disputed(order.id)
        )

    def _ways(self, order: Row[Any]) -> int:
        """How many ways there are to find out whether the order was charged, without a person."""
        profile = self._scenario.behavior.profile
        # A restore may have lost ids and keys: then only a look-up by the key is trusted.
        knows_all = self._scenario.restore is None
        return int(profile.looks_up or (profile.prepares and knows_all)) + int(profile.cancels and knows_all)

    def _is_disputed(self, order_id: str) -> bool:
        return order_id in self._observer.misled or order_id in self._service.refused

    def _left_for_a_person(
        self, evidence: Evidence, retried_at: float | None, *, all_rounds_done: bool
    ) -> Iterator[str]:
        """Where look-ups are trusted, a retry resolves an order; elsewhere an operator does."""
        for order in evidence.orders.values():
            if order.status not in {OrderStatus.REVIEW, OrderStatus.DEAD}:
                continue
            retried = retried_at is not None and not self._is_disputed(order.id)
            if all_rounds_done or (retried and self._is_lookup_trusted(order, retried_at or 0.0)):
                yield f"order {order.idempotency_key} was retried and is {order.status}: {order.last_error}"

    def _is_lookup_trusted(self, order: Row[Any], since: float) -> bool:
        """Whether look-ups for an order are trusted: charges under keys of its shape are known, and each is found."""
        behavior = self._scenario.behavior
        visible_since = since - behavior.profile.absent_after
        known = self._storage.rows(
            "SELECT key, charge_id, at FROM charges WHERE key_shape = ?", key_shape(order.charge_key)
        )
        return (
            behavior.look_up_works
            and any(self._storage.moment(at) <= visible_since for _, _, at in known)
            and all(self._finds(key, charge_id) for key, charge_id, _ in known)
        )

    def _finds(self, key: str, charge_id: str) -> bool:
        reply = self._service.sight(key)
        return reply.status == 200 and json.loads(reply.body).get("charge_id") == charge_id

    def _uncounted_retries(self, evidence: Evidence) -> Iterator[str]:
        """``retry_count`` is what workers sent, and what they died before sending."""
        for order in evidence.orders.values():
            sent = self._observer.retries[order.id]
            if not sent <= order.retry_count <= sent + self._observer.unsent[order.id]:
                yield f"order {order.idempotency_key} has retry_count {order.retry_count}, workers sent {sent}"

    def _unreported(self, evidence: Evidence) -> Iterator[str]:
        """An answer about another charge is an incident, and nothing else is one of that kind."""
        for order in evidence.orders.values():
            reported = "wrong_charge" in evidence.incidents.get(order.id, ())
            if order.id in self._observer.warned and not reported:
                yield f"order {order.idempotency_key} met another charge, and has no incident"
            if reported and order.id not in self._observer.misled:
                yield f"order {order.idempotency_key} has an incident of another charge, and met none"


def _charges(service: SimulatedService) -> Iterator[SimulatedCharge]:
    for executions in service.ledger.charges.values():
        for one in executions:
            sent = one.request
            yield SimulatedCharge(
                str(one.charge_id),
                sent.idempotency_key,
                sent.order_id,
                sent.user_id,
                sent.amount,
                sent.currency,
            )
