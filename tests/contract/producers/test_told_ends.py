"""The caller of `place` is told how its order ended, or an outcome is written: never neither."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.schema import outcomes
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest
from breakwall.producers import AsyncOrderProducer
from breakwall.producers.async_producer import LoopSignal
from breakwall.producers.pending import PendingOrder
from breakwall.producers.threads import Latch
from tests.contract.site import Site, order
from tests.gateway import DECLINED, DOWN, PAID
from tests.interruption import Interrupt
from tests.waiting import wait_until

UNCONFIRMED = "It is accepted, and may be paid or not: place it again to learn that"


def written(site: Site) -> list[str]:
    """The states of the outcomes that are written."""
    wanted = select(outcomes.c.status).order_by(outcomes.c.id)
    return site.database.read(lambda connection: list(connection.scalars(wanted)))


def held_charge(site: Site) -> Callable[[], None]:
    """Let the service hold its answer; returns what lets it go on."""
    go_on = threading.Event()

    def charge(request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        assert go_on.wait(30)
        return PAID

    site.gateway.charge = charge  # type: ignore[method-assign]
    return go_on.set


def at_commit(monkeypatch: pytest.MonkeyPatch, when: str, does: Callable[[], object]) -> None:
    """Do something just before or after the commit of an answer."""
    monkeypatch.setattr(
        "breakwall.payments.db.database.reach",
        lambda *point: does() if point == (when, "record") else None,
    )


def assert_placed_again_is(site: Site, status: str) -> None:
    site.producer._signal = Latch
    again = site.producer.place(order())
    assert (again.status, again.replayed) == (status, True)


@pytest.mark.parametrize("answer", [PAID, DECLINED])
def test_an_end_that_place_returns_is_not_written(site: Site, answer: ChargeAnswer) -> None:
    site.gateway.answers.append(answer)
    assert site.producer.place(order()).status.is_final
    assert written(site) == []


def test_an_order_that_place_queued_has_an_outcome_later(site: Site) -> None:
    site.gateway.answers += [DOWN, PAID]
    placed = site.producer.place(order())
    assert (placed.status, written(site)) == ("queued", [])
    site.advance(60.0)
    site.retrier.run(placed.order_id)
    assert written(site) == ["paid"]


@pytest.mark.parametrize("wait", [0, 0.05])
def test_an_end_after_place_has_returned_is_written(site: Site, wait: float) -> None:
    go_on = held_charge(site)
    assert site.producer.place(order(), wait=wait).status == "in_flight"
    go_on()
    site.producer.close()
    assert (site.get().status, written(site)) == ("paid", ["paid"])


def test_an_end_after_place_was_interrupted_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = held_charge(site)

    class Interrupted:
        def set(self) -> None:
            """Nobody waits."""

        def wait(self, seconds: float) -> bool:
            wait_until(lambda: _is_accepted(site))
            raise Interrupt

    monkeypatch.setattr(site.producer, "_signal", Interrupted)
    with pytest.raises(Interrupt):
        site.producer.place(order())
    go_on()
    site.producer.close()
    assert written(site) == ["paid"]


class TimeIsOver:
    """Lets the time of callers be over while the end of their order is being committed, and not before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.committing = threading.Event()
        at_commit(monkeypatch, "before", self._commit)

    def _commit(self) -> None:
        self.committing.set()
        assert self.go_on.wait(30)


class ShortLatch(Latch):
    """Its first wait ends too early."""

    time_over: TimeIsOver

    def wait(self, seconds: float) -> bool:
        if self is not ShortLatch.newest:
            return super().wait(seconds)
        ShortLatch.newest = None
        assert self.time_over.committing.wait(30)
        return False

    newest: ShortLatch | None = None

    def __init__(self) -> None:
        super().__init__()
        ShortLatch.newest = self  # The signal of the end is made last.


class ShortSignal(LoopSignal):
    time_over: TimeIsOver
    is_first = True

    async def wait(self, seconds: float, leave: asyncio.Future[None] | None = None) -> bool:
        if not self.is_first:
            return await super().wait(seconds, leave)
        ShortSignal.is_first = False
        while not self.time_over.committing.is_set():
            await asyncio.sleep(0.005)
        return False


class TestACallerWhoseTimeIsOverWhileTheEndIsCommitted:
    @pytest.fixture
    def time_over(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> TimeIsOver:
        time_over = TimeIsOver(monkeypatch)
        monkeypatch.setattr(ShortLatch, "time_over", time_over, raising=False)
        monkeypatch.setattr(ShortSignal, "time_over", time_over, raising=False)
        monkeypatch.setattr(ShortSignal, "is_first", True)
        monkeypatch.setattr(site.producer, "_signal", ShortLatch)
        monkeypatch.setattr("breakwall.producers.async_producer.LoopSignal", ShortSignal)
        site.gateway.answers.append(PAID)
        return time_over

    def test_is_told_it_if_it_is_confirmed_soon(
        self, site: Site, time_over: TimeIsOver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        really = PendingOrder.time_is_over

        def time_is_over(pending: PendingOrder) -> bool:
            recorded = really(pending)
            time_over.go_on.set()
            return recorded

        monkeypatch.setattr(PendingOrder, "time_is_over", time_is_over)
        monkeypatch.setattr("breakwall.producers.placing.COMMIT_GRACE", 30.0)
        assert site.producer.place(order()).status == "paid"
        assert written(site) == []

    def test_is_told_to_place_it_again_if_it_is_not(self, site: Site, time_over: TimeIsOver) -> None:
        with pytest.raises(DatabaseUnavailableError, match=UNCONFIRMED):
            site.producer.place(order())
        time_over.go_on.set()
        site.producer.close()
        assert written(site) == []
        assert_placed_again_is(site, "paid")

    def test_is_told_so_in_an_event_loop(self, site: Site, time_over: TimeIsOver) -> None:
        with pytest.raises(DatabaseUnavailableError, match=UNCONFIRMED):
            asyncio.run(AsyncOrderProducer(site.producer).place(order()))
        time_over.go_on.set()
        site.producer.close()
        assert_placed_again_is(site, "paid")


def test_a_commit_whose_answer_is_lost_promises_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose() -> None:
        raise DatabaseUnavailableError("the connection broke")

    at_commit(monkeypatch, "after", lose)
    site.gateway.answers.append(PAID)
    with pytest.raises(DatabaseUnavailableError, match=UNCONFIRMED):
        site.producer.place(order())
    assert written(site) == []
    assert_placed_again_is(site, "paid")


def test_an_answer_that_cannot_be_recorded_leads_to_an_outcome(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise DatabaseUnavailableError("no connection")

    site.gateway.answers.append(PAID)
    with monkeypatch.context() as patch:
        patch.setattr(site.ledger, "_record", fail)
        assert site.producer.place(order()).status == "in_flight"
    site.advance(60.0)
    (order_id,) = site.dispatch_queue.reclaim_expired()
    site.gateway.known[site.get().charge_key] = "ch_1"
    site.retrier.run(order_id)
    assert (site.get().status, written(site)) == ("paid", ["paid"])


def test_of_an_order_that_is_placed_again_in_flight_both_callers_hear(site: Site) -> None:
    go_on = held_charge(site)
    first: list[str] = []
    caller = threading.Thread(target=lambda: first.append(site.producer.place(order()).status))
    caller.start()
    wait_until(lambda: _is_accepted(site))
    again = site.producer.place(order(), wait=0)
    assert (again.status, again.replayed) == ("in_flight", True)
    go_on()
    caller.join(30)
    assert (first, written(site)) == (["paid"], ["paid"])


def _is_accepted(site: Site) -> bool:
    try:
        return site.get().status == "in_flight"
    except LookupError:
        return False
