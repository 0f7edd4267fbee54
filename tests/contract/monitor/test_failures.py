"""Why attempts failed, by kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.monitor import failures
from breakwall.monitor.failures import LATELY, LONGEST_DETAIL, FailureGroup, find_failures
from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.orders import OrderStatus
from tests.contract.site import Site, order
from tests.gateway import DOWN, LOST, PAID


def groups(site: Site) -> tuple[FailureGroup, ...]:
    return site.database.read(lambda connection: find_failures(connection, site.clock))


def fail(site: Site, key: str, answer: ChargeAnswer, status: OrderStatus = OrderStatus.QUEUED) -> str:
    (placed,) = site.producer.enqueue([order(key)])
    site.attempt(placed.order_id, answer, status, 5.0 if status is OrderStatus.QUEUED else 0.0)
    site.advance(1)
    return placed.order_id


def test_orders_that_failed_alike_are_one_group_with_the_newest_as_its_sample(site: Site) -> None:
    fail(site, "a", DOWN)
    newest = fail(site, "b", DOWN)
    fail(site, "c", LOST)
    down, lost = groups(site)
    assert (down.orders, down.sample, down.outcome, down.code) == (2, newest, DOWN.outcome, DOWN.code)
    assert (lost.orders, lost.outcome) == (1, LOST.outcome)
    assert lost.last_seen > down.last_seen


def test_an_order_counts_by_its_last_attempt_alone(site: Site) -> None:
    order_id = fail(site, "a", DOWN)
    site.advance(5)
    site.attempt(order_id, LOST, OrderStatus.QUEUED, 5.0)
    assert [(group.outcome, group.orders) for group in groups(site)] == [(LOST.outcome, 1)]


def test_orders_that_were_paid_or_never_tried_are_no_failure(site: Site) -> None:
    site.producer.enqueue([order("a")])
    fail(site, "b", replace(PAID, charge_id="ch_b"), OrderStatus.PAID)
    assert groups(site) == ()


def test_an_order_that_ended_lately_counts_and_one_of_long_ago_does_not(site: Site) -> None:
    fail(site, "a", DOWN, OrderStatus.DEAD)
    assert [group.orders for group in groups(site)] == [1]
    site.advance(LATELY)
    assert groups(site) == ()


def test_a_detail_is_short_and_moves_no_cursor(site: Site) -> None:
    fail(site, "a", replace(DOWN, detail="\x1b[2J" + "x" * 999))
    (group,) = groups(site)
    assert group.detail is not None
    assert len(group.detail) == LONGEST_DETAIL
    assert "\x1b" not in group.detail


def test_of_many_orders_some_are_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest, the newest, and those that are dispatched next: here the same two and one more."""
    assert failures.LOOKED_AT >= 100
    for number in range(12):
        fail(site, str(number), replace(DOWN, code=f"http_{500 + number}"))
    assert len(groups(site)) == failures.MOST_GROUPS
