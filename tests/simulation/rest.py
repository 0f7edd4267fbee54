"""What must hold once everything has come to rest: the rules of `tests.chaos`, and what only a simulation can know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from breakwall.payments.database import Database
from breakwall.payments.due import POISON_CRASHES
from breakwall.payments.orders import OrderStatus
from tests.chaos.invariants import Evidence, broken, read_evidence
from tests.simulation.customers import Customers
from tests.simulation.scenario import Scenario
from tests.simulation.service import PaymentService
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


def violations(
    database: Database,
    scenario: Scenario,
    service: PaymentService,
    witness: Witness,
    customers: Customers,
    *,
    redriven: bool,
    worked_up: bool,
) -> list[str]:
    """Every way in which an invariant is broken, in sentences.

    Args:
        redriven: every order that waited for a person was just sent round again, past every fault.
        worked_up: people have done so often enough, and have settled what was in review in between.
    """
    requests = [request for request, times in witness.requests.items() for _ in range(times)]
    evidence = read_evidence(database, list(_charges(service)), requests=requests)
    accepted = [customer.order for customer in customers.all if customer.told]
    rows = evidence.orders.values()
    statuses = {row.idempotency_key: (row.id, OrderStatus(row.status)) for row in rows}
    looks_up = scenario.habits.look_up_works
    return [
        *broken(evidence, accepted=accepted),
        *customers.broken_promises(statuses),
        *_uncalled_for_reviews(evidence, scenario),
        *_uncounted_retries(evidence, witness),
        *(_left_for_a_person(evidence) if worked_up or (redriven and looks_up) else ()),
    ]


def _charges(service: PaymentService) -> Iterator[Charge]:
    for executions in service.charges.values():
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


def _uncalled_for_reviews(evidence: Evidence, scenario: Scenario) -> Iterator[str]:
    """Only what cannot be settled without a person may wait for one."""
    for order in evidence.orders.values():
        if order.status == OrderStatus.REVIEW and not _may_be_in_review(order, scenario):
            yield f"order {order.idempotency_key} is in review without need: {order.last_error}"


def _may_be_in_review(order: Row[Any], scenario: Scenario) -> bool:
    looked_up_in_vain = order.look_up_count - order.look_up_floor >= scenario.max_attempts
    return not scenario.habits.profile.looks_up or looked_up_in_vain or order.crash_count >= POISON_CRASHES


def _left_for_a_person(evidence: Evidence) -> Iterator[str]:
    """Where charges can be looked up, sending an order round again settles it; elsewhere, with a person's word."""
    for order in evidence.orders.values():
        if order.status in {OrderStatus.REVIEW, OrderStatus.DEAD}:
            yield f"order {order.idempotency_key} was sent round again and is {order.status}: {order.last_error}"


def _uncounted_retries(evidence: Evidence, witness: Witness) -> Iterator[str]:
    """``retry_count`` is what workers sent, and what they died before sending."""
    for order in evidence.orders.values():
        sent = witness.retries[order.id]
        if not sent <= order.retry_count <= sent + witness.unsent[order.id]:
            yield f"order {order.idempotency_key} has retry_count {order.retry_count}, workers sent {sent}"
