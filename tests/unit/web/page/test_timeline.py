"""All that happened to an order, in its order."""

from __future__ import annotations

from dataclasses import replace

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.outcomes.operator import DeliveryState, StoredDelivery
from breakwall.web.page.timeline import OrderLife, TimelineRow, timeline
from breakwall.web.page.words import Words
from tests.unit.web.page.test_order_path import DEAD, ORDER, PAID, QUEUED, at, attempt, intervention

DELIVERY = StoredDelivery(
    "evt", ORDER.id, "cart-1", "order.paid", at(63), "webhook", DeliveryState.DELIVERED, 1, None, at(64), None
)
INCIDENT = StoredIncident(1, ORDER.id, at(70), "two_charges", "ch_1 and ch_2", None, None, None)
FULL = OrderLife(
    replace(ORDER, status=PAID, settled_at=at(62), charge_id="ch_1", next_attempt_at=None),
    [attempt(1, 5, 5.25, Outcome.UNKNOWN), attempt(2, 61, 62, Outcome.SUCCEEDED)],
    [intervention(60, DEAD, QUEUED)],
    [INCIDENT],
    [DELIVERY],
)


def test_an_order_may_change_until_it_has_ended_and_the_shop_was_told() -> None:
    assert not FULL.may_change
    for state in (DeliveryState.NEW, DeliveryState.WAITING):
        assert replace(FULL, deliveries=[replace(DELIVERY, state=state)]).may_change
    for status in (QUEUED, DEAD):
        assert replace(FULL, order=replace(ORDER, status=status)).may_change


def rows(history: OrderLife = FULL, language: str = "en") -> list[TimelineRow]:
    return timeline(history, Words(language))


def test_everything_is_told_first_to_last() -> None:
    assert [row.what for row in rows()] == [
        "received",
        "attempt 1, by a worker",
        "retried by anna",
        "attempt 2, by a worker",
        "ended: paid",
        "the shop: told",
        "incident: charged twice",
    ]


def test_an_attempt_has_its_latency_and_its_answer() -> None:
    assert (rows()[1].took, rows()[1].detail) == ("250 ms", "no clear answer")
    assert rows()[3].took == "1 s"


def test_an_intervention_has_its_change_and_its_reason() -> None:
    assert rows()[2].detail == "dead → waiting · fixed"


def test_the_end_has_its_charge() -> None:
    assert rows()[4].detail == "charge ch_1"


def test_a_waiting_order_ends_with_its_next_try() -> None:
    last = rows(OrderLife(ORDER))[-1]
    assert (last.what, last.after, last.is_ahead) == ("due for its next try", "+60 s", True)


def test_it_is_told_in_korean_too() -> None:
    assert rows(language="ko")[2].what == "anna: 재시도"
