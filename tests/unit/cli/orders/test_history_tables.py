"""Which columns an order's attempts have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from breakwall.cli.orders.history_tables import attempts_of
from breakwall.payments.gateways import Outcome
from breakwall.payments.ledger.attempt_outcomes import NOT_CONFIRMED
from breakwall.payments.orders import OrderStatus, StoredAttempt, StoredOrder

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ATTEMPT = StoredAttempt(
    number=1,
    source="worker",
    gateway_key="k1",
    started_at=NOON,
    finished_at=NOON + timedelta(seconds=2),
    outcome=Outcome.FAILED,
    code="http_503",
    detail="busy",
    charge_id=None,
    settled_by=None,
)


def order(charge_key: str = "k1", status: OrderStatus = OrderStatus.IN_FLIGHT) -> StoredOrder:
    return StoredOrder(
        "order-1",
        "cart-1",
        charge_key,
        "u1",
        1000,
        "USD",
        status,
        0,
        0,
        None,
        None,
        None,
        False,
        NOON,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("key", "narrow", "shown"), [("k1", False, False), ("k2", False, True), ("k2", True, False)]
)
def test_the_key_of_an_earlier_attempt_is_shown_where_there_is_room(
    key: str, narrow: bool, shown: bool
) -> None:
    assert ("sent as" in attempts_of(order(key), [ATTEMPT], narrow=narrow).columns) is shown


def test_a_running_attempt_has_no_duration_and_no_outcome_yet() -> None:
    section = attempts_of(order(), [replace(ATTEMPT, finished_at=None, outcome=None)], narrow=True)
    assert section.rows == [("1", "worker", "11-28 12:00:00", "-", "running", "http_503", "busy")]


PREPARED = replace(
    ATTEMPT, finished_at=NOON, outcome=Outcome.NOT_SENT, code=NOT_CONFIRMED, detail="It ended."
)


def test_an_attempt_whose_charge_is_being_prepared_is_running() -> None:
    section = attempts_of(order(), [ATTEMPT, PREPARED], narrow=True)
    assert section.rows[1] == (
        *("1", "worker", "11-28 12:00:00", "-", "running", "-"),
        "The charge is being prepared.",
    )
    assert section.rows[0][4] == "failed"


@pytest.mark.parametrize(
    ("status", "attempt"),
    [
        (OrderStatus.QUEUED, PREPARED),
        (OrderStatus.IN_FLIGHT, replace(PREPARED, finished_at=NOON + timedelta(seconds=1))),
    ],
)
def test_an_attempt_that_ended_without_a_confirmation_is_not_running(
    status: OrderStatus, attempt: StoredAttempt
) -> None:
    (row,) = attempts_of(order(status=status), [attempt], narrow=True).rows
    assert row[4] == "not_sent"
