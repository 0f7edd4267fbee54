"""How often an order is read while its end is awaited."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.payments.orders import OrderStatus
from breakwall.producers.polling import FIRST_PAUSE, LONGEST_PAUSE, Polling


def an_order(status: OrderStatus) -> Any:
    return SimpleNamespace(status=status)


QUEUED = an_order(OrderStatus.QUEUED)


def pauses(timeout: float) -> list[float]:
    """All pauses of a wait for an order that does not end."""
    now = [5.0]
    polling = Polling(timeout, lambda: now[0])
    found = []
    while (pause := polling.next_pause(QUEUED)) is not None:
        found.append(pause)
        now[0] += pause
    return found


def test_it_is_read_soon_and_then_about_once_a_second() -> None:
    found = pauses(60.0)
    assert found[0] == FIRST_PAUSE
    assert all(before <= after for before, after in pairwise(found[:-1]))
    assert found[-2] == LONGEST_PAUSE
    assert len(found) < 75


@pytest.mark.parametrize("timeout", [0.0, 0.005, 1.0, 2.34])
def test_the_pauses_are_as_long_as_the_timeout(timeout: float) -> None:
    assert sum(pauses(timeout)) == pytest.approx(timeout)


@pytest.mark.parametrize("status", [status for status in OrderStatus if status.is_final])
def test_an_order_that_has_ended_is_not_read_again(status: OrderStatus) -> None:
    assert Polling(60.0, lambda: 0.0).next_pause(an_order(status)) is None
