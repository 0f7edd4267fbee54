"""What the shop gets of an order's end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from breakwall.payments.outcomes.event import Event, event_id, number_in

AT = datetime(2026, 11, 29, 10, 0, 0, 250_000, tzinfo=UTC)
EVENT = Event(
    17, "order-1", "cart-17", "u1", 10_000, "KRW", "paid", "ch_1", None, 2, AT - timedelta(hours=1), AT
)


def test_its_body_names_the_order_and_how_it_ended() -> None:
    assert json.loads(EVENT.body) == {
        "type": "order.paid",
        "id": EVENT.id,
        "timestamp": "2026-11-29T10:00:00.250000Z",
        "data": {
            "order_id": "order-1",
            "idempotency_key": "cart-17",
            "user_id": "u1",
            "amount": 10_000,
            "currency": "KRW",
            "status": "paid",
            "charge_id": "ch_1",
            "reason": None,
            "retry_count": 2,
            "created_at": "2026-11-29T09:00:00.250000Z",
            "settled_at": "2026-11-29T10:00:00.250000Z",
        },
    }


def test_the_same_event_has_the_same_bytes_whatever_zone_its_moments_are_read_in() -> None:
    zone = timezone(timedelta(hours=9))
    elsewhere = replace(EVENT, created_at=EVENT.created_at.astimezone(zone), settled_at=AT.astimezone(zone))
    assert elsewhere.body == EVENT.body


@pytest.mark.parametrize(
    "other",
    [
        replace(EVENT, number=18),
        replace(EVENT, order_id="order-2"),
        replace(EVENT, status="declined"),
        replace(EVENT, settled_at=AT + timedelta(microseconds=1)),
    ],
)
def test_another_event_has_another_id(other: Event) -> None:
    assert other.id != EVENT.id


def test_its_id_holds_no_full_stop_which_a_signature_could_not_bear() -> None:
    assert "." not in EVENT.id


def test_its_number_is_read_from_its_id() -> None:
    assert number_in(event_id(17, "order-1", "paid", AT)) == 17


@pytest.mark.parametrize(
    "text", ["", "17", "evt_17", "evt_17_short", "evt_x_aaaaaaaaaaaaaaaa", f"{EVENT.id}\n"]
)
def test_another_text_is_no_id(text: str) -> None:
    assert number_in(text) is None


def test_the_longest_texts_stay_below_the_size_that_standard_webhooks_recommends() -> None:
    longest = "\U0001f4b3" * 255
    event = replace(EVENT, idempotency_key=longest, user_id=longest, charge_id='"' * 255, reason="r" * 64)
    assert len(event.body) < 20_000
