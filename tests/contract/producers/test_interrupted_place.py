"""A signal's handler may raise at any point of `place`: Ctrl-C, Celery's soft time limit, an exit. Nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.orders import OrderStatus
from breakwall.producers.bulkhead import Bulkhead
from breakwall.producers.producer import OrderProducer
from breakwall.producers.threads import ThreadPool
from tests.contract.site import Site, order
from tests.gateway import PAID
from tests.interruption import Interrupt, interrupted
from tests.stopwatch import timed
from tests.waiting import wait_until

MODULES = ("breakwall.producers.", "threading")


@pytest.fixture
def producer(site: Site) -> Iterator[OrderProducer]:
    def charge(request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        return replace(PAID, charge_id=f"ch_{request.reference}")

    site.gateway.charge = charge  # type: ignore[method-assign]
    yield site.producer
    site.producer.close()


def running(name: str) -> int:
    return sum(thread.name == name and thread.is_alive() for thread in threading.enumerate())


def interrupt_each_point(producer: OrderProducer, *, new_threads: bool) -> int:
    """Returns how many points there were."""
    placing, point = producer.placing, 1
    while True:
        if new_threads:
            placing.close()
        key = f"cart-{point}"
        if not interrupted(point, lambda key=key: producer.place(order(key)), MODULES):  # type: ignore[misc]
            return point
        wait_until(
            lambda: placing.bulkhead.inside == len(placing.in_hand) == len(placing._queueing._storers) == 0
        )
        point += 1


def assert_nothing_is_lost(producer: OrderProducer, status: OrderStatus) -> None:
    placed, seconds = timed(lambda: producer.place(order("afterwards")))
    assert (placed.status, seconds < 10) == (status, True)
    for pool, name in ((producer.placing._calls, "payment"), (producer.placing._storers, "queueing")):
        assert isinstance(pool, ThreadPool)
        wait_until(lambda pool=pool, name=name: running(f"breakwall-{name}") == pool._crew._threads)  # type: ignore[misc]
    producer.placing.close()
    wait_until(lambda: running("breakwall-payment") == running("breakwall-queueing") == 0)


@pytest.mark.parametrize("new_threads", [True, False], ids=["first order", "later order"])
def test_an_interrupt_loses_no_room_no_thread_and_no_lock(
    producer: OrderProducer, *, new_threads: bool
) -> None:
    producer.place(order("warms-up"))
    points = interrupt_each_point(producer, new_threads=new_threads)
    assert points > 20
    assert_nothing_is_lost(producer, OrderStatus.PAID)


@pytest.mark.parametrize("new_threads", [True, False], ids=["first order", "later order"])
def test_an_interrupt_without_room_loses_no_thread_and_no_lock(
    producer: OrderProducer, *, new_threads: bool
) -> None:
    producer.placing.bulkhead = Bulkhead(0)
    producer.place(order("warms-up"))
    points = interrupt_each_point(producer, new_threads=new_threads)
    assert points > 20
    assert_nothing_is_lost(producer, OrderStatus.QUEUED)


def test_an_order_whose_caller_was_interrupted_while_it_waited_for_the_circuit_is_never_accepted(
    site: Site, producer: OrderProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    really = site.breaker.acquire

    def hang() -> object:
        assert go_on.wait(30)
        return really()

    class Interrupted:
        def set(self) -> None:
            """Nobody waits."""

        def wait(self, seconds: float) -> bool:
            raise Interrupt

    monkeypatch.setattr(site.breaker, "acquire", hang)
    monkeypatch.setattr(producer, "_signal", Interrupted)
    with pytest.raises(Interrupt):
        producer.place(order())
    go_on.set()
    producer.close()
    assert list_orders(site.database) == []
    assert site.gateway.charged == []
