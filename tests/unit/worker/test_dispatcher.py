"""One run of the dispatcher: what it publishes, and what it leaves alone. No database, no broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from breakwall.settings import DispatchSettings
from breakwall.worker.dispatcher import SLOW, Dispatcher
from breakwall.worker.gate import Allowance


@dataclass
class FakeSite:
    """Everything around a dispatcher, as plain numbers that a test sets."""

    waiting: list[str] = field(default_factory=lambda: [f"order-{n}" for n in range(1000)])
    slots: int | None = None
    wait: float = 0.0
    depth: int | None = 0
    held: int = 0
    now: float = 0.0
    broker_takes: int = 10_000
    expired: list[list[str]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    due_reads: int = 0
    looked_ahead: list[float] = field(default_factory=list)
    reclaims: int = 0
    blocked: int = 0
    prunings: int = 0

    def prune(self) -> None:
        self.prunings += 1

    def dispatcher(self, **settings: Any) -> Dispatcher:
        return Dispatcher(
            self,  # type: ignore[arg-type]  # the four methods of DispatchQueue that it uses
            self,  # type: ignore[arg-type]  # and of Gate
            self,
            lambda: self.depth,
            DispatchSettings(**{"batch": 100, "window": 500, **settings}),
            held=lambda: self.held,
            on_blocked=self.count_blocked,
            prune=self.prune,
            monotonic=self.tick,
        )

    def tick(self) -> float:
        """A second passes at each look, so each run is also an interval's first."""
        self.now += 1.0
        return self.now

    def allowance(self) -> Allowance:
        return Allowance(self.slots, self.wait)

    def grown_dispatcher(self) -> Dispatcher:
        """One that has run a few times."""
        dispatcher = self.dispatcher()
        waiting, self.waiting = self.waiting, []
        for _ in range(10):
            dispatcher.run_once()
        self.waiting = waiting
        return dispatcher

    def count_blocked(self) -> None:
        self.blocked += 1

    def reclaim_expired(self) -> list[str]:
        self.reclaims += 1
        return self.expired.pop(0) if self.expired else []

    def take_due(self, limit: int, *, republish_after: float, ahead: float = 0.0) -> list[str]:
        self.due_reads += 1
        self.looked_ahead.append(ahead)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def give_back_due(self, order_ids: list[str]) -> None:
        self.waiting = order_ids + self.waiting

    def publish_many(self, order_ids: list[str]) -> int:
        sent = order_ids[: self.broker_takes]
        self.published += sent
        return len(sent)


@pytest.fixture
def site() -> FakeSite:
    return FakeSite()


def test_trap_10_after_an_outage_the_backlog_is_let_out_in_growing_steps(site: FakeSite) -> None:
    """From 0 to 100 % with hours of backlog waiting, the drain would be the second outage."""
    dispatcher = site.dispatcher()
    site.slots = 0
    dispatcher.run_once()
    site.slots = None
    assert [dispatcher.run_once() for _ in range(6)] == [10, 20, 40, 80, 100, 100]


def test_a_new_dispatcher_begins_small_too_because_an_outage_may_just_have_ended(site: FakeSite) -> None:
    dispatcher = site.dispatcher()
    assert [dispatcher.run_once() for _ in range(3)] == [10, 20, 40]


def test_orders_from_before_its_start_do_not_wait_until_their_producer_is_given_up(site: FakeSite) -> None:
    """The broker may have been started with the worker: then no producer could reach it."""
    dispatcher = site.dispatcher()
    for depth in (None, None, *[0] * 12):
        site.depth = depth
        dispatcher.run_once()
    assert site.looked_ahead == [*range(10, 0, -1), 0.0, 0.0]


def test_what_was_just_published_is_not_published_again_by_the_next_run(site: FakeSite) -> None:
    dispatcher = site.dispatcher(republish_after=4)
    dispatcher.run_once()
    assert site.looked_ahead == [2.0]


def test_the_steps_grow_only_as_orders_are_done(site: FakeSite) -> None:
    """A slow service gets no more while it works on the first ones."""
    dispatcher = site.dispatcher()
    sent = [dispatcher.run_once()]
    for site.held in (10, 8, 5, 0):
        sent.append(dispatcher.run_once())
    assert sent == [10, 0, 2, 15, 40]


def test_only_a_circuit_that_refuses_makes_a_waiting_worker_busy(site: FakeSite) -> None:
    """A worker that could work and does not is idle, whatever the reason: no room at the broker, no broker."""
    dispatcher = site.dispatcher()
    site.slots = 0
    dispatcher.run_once()
    assert site.blocked == 1
    for slots, depth in ((1, 0), (None, 0), (None, 10_000), (None, None)):
        site.slots, site.depth = slots, depth
        dispatcher.run_once()
    assert site.blocked == 1


def test_each_step_counts_what_still_waits_at_the_broker(site: FakeSite) -> None:
    dispatcher = site.dispatcher()
    site.slots = 1
    dispatcher.run_once()
    site.slots, site.held = None, 7
    assert dispatcher.run_once() == 3
    site.depth, site.held = 1, 0
    assert dispatcher.run_once() == 0, "a message may have many orders"


def test_another_outage_restarts_the_steps(site: FakeSite) -> None:
    dispatcher = site.dispatcher()
    for site.slots in (0, None, None, 0, None):
        sent = dispatcher.run_once()
    assert sent == 10


@pytest.mark.parametrize(
    ("slots", "depth", "sent"),
    [
        pytest.param(None, 0, 100, id="a batch while the circuit is closed"),
        pytest.param(None, 23, 40, id="no more than the window has room for"),
        pytest.param(None, 25, 0, id="nothing into a full window"),
        pytest.param(None, None, 0, id="nothing while the broker does not answer"),
        pytest.param(0, 0, 0, id="nothing while the circuit is open"),
        pytest.param(3, 0, 3, id="one for each probe of the circuit"),
        pytest.param(3, 1, 0, id="a waiting message may have orders for all probes"),
    ],
)
def test_publishes_as_many_due_orders_as_there_is_room_for(
    site: FakeSite, slots: int | None, depth: int | None, sent: int
) -> None:
    dispatcher = site.grown_dispatcher()
    site.slots, site.depth, site.due_reads = slots, depth, 0
    assert dispatcher.run_once() == sent
    assert site.published == [f"order-{n}" for n in range(sent)]
    assert site.due_reads == (sent > 0), "without room no order is read"


def test_gives_back_what_the_broker_did_not_take(site: FakeSite) -> None:
    site.broker_takes = 40
    assert site.grown_dispatcher().run_once() == 40
    assert site.waiting[0] == "order-40"


def test_takes_dead_workers_orders_back_even_while_the_circuit_is_open(site: FakeSite) -> None:
    site.slots = 0
    site.dispatcher().run_once()
    assert site.reclaims == 1


class TestPruning:
    def test_comes_after_each_run_that_has_published_all_there_was(self, site: FakeSite) -> None:
        dispatcher = site.grown_dispatcher()
        site.prunings, site.waiting = 0, site.waiting[:150]
        assert [dispatcher.run_once(), site.prunings] == [100, 0]
        assert [dispatcher.run_once(), site.prunings] == [50, 1]

    def test_continues_during_an_outage(self, site: FakeSite) -> None:
        site.slots = 0
        site.dispatcher().run_once()
        assert site.prunings == 1


class TestExpiredClaims:
    def looks(self, site: FakeSite, intervals: int) -> list[int]:
        """How often they had been looked for after each interval."""
        dispatcher, seen = site.dispatcher(), []
        for _ in range(intervals):
            dispatcher.run_once()
            seen.append(site.reclaims)
        return seen

    def test_are_looked_for_in_every_second_interval(self, site: FakeSite) -> None:
        assert self.looks(site, 5) == [1, 1, 2, 2, 3]

    def test_are_looked_for_again_in_the_next_interval_while_there_are_some(self, site: FakeSite) -> None:
        site.expired = [["order"], ["another"]]
        assert self.looks(site, 5) == [1, 2, 3, 3, 4]


class TestBetweenTwoIntervals:
    def test_only_due_orders_are_looked_for(self, site: FakeSite) -> None:
        dispatcher = site.dispatcher(interval=2.5)
        dispatcher.run_once()
        dispatcher.run_once()
        assert (site.due_reads, site.reclaims, site.prunings) == (2, 1, 1)

    def test_a_dispatcher_is_draining_while_orders_are_published_or_wait(self, site: FakeSite) -> None:
        dispatcher = site.dispatcher()
        seen = []
        for site.held, site.waiting in ((0, ["order"]), (200, ["order"]), (0, [])):
            dispatcher.run_once()
            seen.append(dispatcher.is_draining)
        assert seen == [True, True, False]

    def test_a_dispatcher_under_a_low_rate_publishes_in_its_interval_only(self, site: FakeSite) -> None:
        dispatcher = site.dispatcher()
        seen = []
        for site.held, site.wait in ((0, 0.0), (200, 2 * SLOW), (200, SLOW / 2)):
            dispatcher.run_once()
            seen.append(dispatcher.is_draining)
        assert seen == [True, False, True]

    def test_a_dispatcher_before_a_closed_gate_is_not_draining(self, site: FakeSite) -> None:
        dispatcher = site.dispatcher()
        site.slots = 0
        dispatcher.run_once()
        assert not dispatcher.is_draining
