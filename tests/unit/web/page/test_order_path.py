"""An order's way through its states, its drawing and its timeline, from what is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.interventions import Action, StoredIntervention
from breakwall.payments.orders import OrderStatus, StoredAttempt, StoredOrder
from breakwall.web.page.order_path import StateChange, order_path
from tests.page_snapshots import NOW

IN_FLIGHT, QUEUED, PAID, DEAD = (
    OrderStatus.IN_FLIGHT,
    OrderStatus.QUEUED,
    OrderStatus.PAID,
    OrderStatus.DEAD,
)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


ORDER = StoredOrder(
    id="a" * 32,
    idempotency_key="cart-1",
    charge_key="k",
    user_id="u1",
    amount=10_000,
    currency="KRW",
    status=QUEUED,
    retry_count=0,
    deferral_count=0,
    next_attempt_at=at(60),
    charge_id=None,
    last_error=None,
    cancel_requested=False,
    created_at=NOW,
    settled_at=None,
    suspected_at=None,
)


def attempt(
    number: int, begins: float, ends: float | None, outcome: Outcome | None, source: str = "worker"
) -> StoredAttempt:
    finished = None if ends is None else at(ends)
    return StoredAttempt(number, source, "k", at(begins), finished, outcome, None, None, None, None)


def intervention(seconds: float, before: OrderStatus, after: OrderStatus) -> StoredIntervention:
    return StoredIntervention(at(seconds), Action.RETRY, "anna", "fixed", before, after, None, None)


def states(status: OrderStatus, *events: StoredAttempt | StoredIntervention) -> list[OrderStatus]:
    attempts = [one for one in events if isinstance(one, StoredAttempt)]
    interventions = [one for one in events if isinstance(one, StoredIntervention)]
    return [step.after for step in order_path(replace(ORDER, status=status), attempts, interventions)]


def test_an_order_that_waits_was_only_queued() -> None:
    assert order_path(ORDER, [], []) == [StateChange(None, QUEUED)]


def test_an_order_that_was_charged_at_once_was_never_queued() -> None:
    assert states(PAID, attempt(1, 0, 1, Outcome.SUCCEEDED, "producer")) == [IN_FLIGHT, PAID]


def test_an_order_in_hand_is_in_flight() -> None:
    assert states(IN_FLIGHT, attempt(1, 5, None, None)) == [QUEUED, IN_FLIGHT]


def test_between_two_attempts_it_waited() -> None:
    found = states(PAID, attempt(1, 5, 6, Outcome.UNKNOWN), attempt(2, 9, 10, Outcome.SUCCEEDED))
    assert found == [QUEUED, IN_FLIGHT, QUEUED, IN_FLIGHT, PAID]


def test_after_its_last_attempt_it_has_the_state_of_now() -> None:
    assert states(QUEUED, attempt(1, 5, 6, Outcome.NOT_SENT)) == [QUEUED, IN_FLIGHT, QUEUED]
    assert states(DEAD, attempt(1, 5, 6, Outcome.FAILED)) == [QUEUED, IN_FLIGHT, DEAD]


def test_a_person_brings_a_dead_order_back() -> None:
    found = states(
        PAID,
        attempt(1, 5, 6, Outcome.NOT_SENT),
        intervention(60, DEAD, QUEUED),
        attempt(2, 61, 62, Outcome.SUCCEEDED),
    )
    assert found == [QUEUED, IN_FLIGHT, DEAD, QUEUED, IN_FLIGHT, PAID]


def test_an_action_that_keeps_the_state_is_no_step() -> None:
    assert states(QUEUED, intervention(5, QUEUED, QUEUED)) == [QUEUED]
