"""Waiting for the orders that threads work on, until their deadlines."""

from __future__ import annotations

import threading
import time

from breakwall.payments.orders import Order
from breakwall.producers.in_hand import OrdersInHand, wait_for_all
from breakwall.producers.pending import PendingOrder
from breakwall.producers.threads import Latch
from tests.stopwatch import timed
from tests.waiting import wait_until


def pending(seconds: float) -> PendingOrder:
    """An order whose charge ends by then."""
    made = PendingOrder(Order("u1", 1, "KRW", "cart-1"), waits_until=0.0, accepted=Latch(), finished=Latch())
    made.ends_by = time.monotonic() + seconds
    return made


def test_it_waits_until_the_last_one_has_ended() -> None:
    orders, first, last = OrdersInHand(), pending(30), pending(30)
    for one in (first, last):
        orders.add(one)
    waiter = threading.Thread(target=orders.wait)
    waiter.start()
    orders.remove(first)
    waiter.join(0.05)
    assert waiter.is_alive()
    orders.remove(last)
    waiter.join(30)
    assert not waiter.is_alive()


def test_it_waits_no_longer_than_the_last_deadline() -> None:
    orders = OrdersInHand()
    for seconds in (0.1, 0.3):
        orders.add(pending(seconds))
    began = time.monotonic()
    _, seconds = timed(orders.wait)
    assert time.monotonic() - began >= 0.3 - 0.1
    assert seconds < 1.3
    assert len(orders) == 2


def test_an_order_that_comes_meanwhile_is_not_waited_for() -> None:
    orders, before = OrdersInHand(), pending(30)
    orders.add(before)
    waiter = threading.Thread(target=orders.wait)
    waiter.start()
    wait_until(lambda: orders._waiters)
    orders.add(pending(30))
    orders.remove(before)
    waiter.join(30)
    assert not waiter.is_alive()


def test_the_exit_waits_for_every_producer_of_the_process() -> None:
    several = [OrdersInHand(), OrdersInHand()]
    held = [pending(30), pending(30)]
    for orders, one in zip(several, held, strict=True):
        orders.add(one)
    waiter = threading.Thread(target=wait_for_all)
    waiter.start()
    several[0].remove(held[0])
    waiter.join(0.05)
    assert waiter.is_alive()
    several[1].remove(held[1])
    waiter.join(30)
    assert not waiter.is_alive()
