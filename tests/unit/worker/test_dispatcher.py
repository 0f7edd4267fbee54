"""The dispatcher's one look: what it publishes, and what it leaves alone. No database, no broker."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.host.exhaustion import CALM, Lacks
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.settings import DispatchSettings
from breakwall.worker.dispatcher import Dispatcher, DispatchLoop


@dataclass
class Site:
    """Everything around a dispatcher, as plain numbers that a test sets."""

    waiting: list[str] = field(default_factory=lambda: [f"order-{n}" for n in range(1000)])
    slots: int | None = None
    depth: int | None = 0
    broker_takes: int = 10_000
    published: list[str] = field(default_factory=list)
    looks_at_due: int = 0
    reclaims: int = 0
    held_back: int = 0

    prunings: int = 0

    def prune(self) -> None:
        self.prunings += 1

    def dispatcher(self, **settings: Any) -> Dispatcher:
        return Dispatcher(
            self,  # type: ignore[arg-type]  # the four methods of DueOrders that it uses
            SimpleNamespace(status=lambda: SimpleNamespace(slots=self.slots)),  # type: ignore[arg-type]
            self,
            lambda: self.depth,
            DispatchSettings(**{"batch": 100, "window": 500, **settings}),
            held_back=self.note_held_back,
            prune=self.prune,
        )

    def grown_dispatcher(self) -> Dispatcher:
        """One that has gone on for a while."""
        dispatcher = self.dispatcher()
        self.depth = 10_000
        for _ in range(10):
            dispatcher.run_once()
        self.depth = 0
        return dispatcher

    def note_held_back(self) -> None:
        self.held_back += 1

    def reclaim_expired(self) -> list[str]:
        self.reclaims += 1
        return []

    def take_due(self, limit: int, *, republish_after: float) -> list[str]:
        self.looks_at_due += 1
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def give_back_due(self, order_ids: list[str]) -> None:
        self.waiting = order_ids + self.waiting

    def publish_many(self, order_ids: list[str]) -> int:
        sent = order_ids[: self.broker_takes]
        self.published += sent
        return len(sent)


@pytest.fixture
def site() -> Site:
    return Site()


def test_trap_10_after_an_outage_the_backlog_is_let_out_in_growing_steps(site: Site) -> None:
    """From 0 to 100 % with hours of backlog waiting, the drain would be the second outage."""
    dispatcher = site.dispatcher()
    site.slots = 0
    dispatcher.run_once()
    site.slots = None
    assert [dispatcher.run_once() for _ in range(6)] == [10, 20, 40, 80, 100, 100]


def test_a_dispatcher_that_is_new_begins_small_too_for_an_outage_may_just_have_ended(site: Site) -> None:
    dispatcher = site.dispatcher()
    assert [dispatcher.run_once() for _ in range(3)] == [10, 20, 40]


def test_only_a_circuit_that_refuses_holds_a_worker_back(site: Site) -> None:
    """A worker that could work and does not is idle, whatever the reason: no room at the broker, no broker."""
    dispatcher = site.dispatcher()
    site.slots = 0
    dispatcher.run_once()
    assert site.held_back == 1
    for slots, depth in ((1, 0), (None, 0), (None, 10_000), (None, None)):
        site.slots, site.depth = slots, depth
        dispatcher.run_once()
    assert site.held_back == 1


def test_each_step_counts_what_still_waits_at_the_broker(site: Site) -> None:
    dispatcher = site.dispatcher()
    site.slots = 1
    dispatcher.run_once()
    site.slots, site.depth = None, 7
    assert [dispatcher.run_once() for _ in range(2)] == [3, 13]


def test_another_outage_begins_the_steps_anew(site: Site) -> None:
    dispatcher = site.dispatcher()
    for site.slots in (0, None, None, 0, None):
        sent = dispatcher.run_once()
    assert sent == 10


def test_publishes_a_batch_of_what_is_due(site: Site) -> None:
    assert site.grown_dispatcher().run_once() == 100
    assert site.published == [f"order-{n}" for n in range(100)]


def test_looks_at_no_order_while_the_circuit_is_open(site: Site) -> None:
    site.slots = 0
    assert site.dispatcher().run_once() == 0
    assert site.looks_at_due == 0


def test_publishes_no_more_orders_than_the_circuit_has_probes(site: Site) -> None:
    site.slots = 3
    assert site.dispatcher().run_once() == 3


def test_counts_messages_that_wait_already_as_probes(site: Site) -> None:
    site.slots, site.depth = 3, 2
    assert site.dispatcher().run_once() == 1


def test_keeps_the_brokers_queue_within_its_window(site: Site) -> None:
    dispatcher = site.grown_dispatcher()
    site.depth = 450
    assert dispatcher.run_once() == 50
    site.depth = 500
    assert dispatcher.run_once() == 0


def test_takes_nothing_while_the_broker_does_not_answer(site: Site) -> None:
    site.depth = None
    assert site.dispatcher().run_once() == 0
    assert site.looks_at_due == 0


def test_gives_back_what_the_broker_did_not_take(site: Site) -> None:
    site.broker_takes = 40
    assert site.grown_dispatcher().run_once() == 40
    assert site.waiting[0] == "order-40"


def test_takes_dead_workers_orders_back_even_while_the_circuit_is_open(site: Site) -> None:
    site.slots = 0
    site.dispatcher().run_once()
    assert site.reclaims == 1


class TestLoop:
    def run_until(self, dispatcher: Any, looks: int) -> list[str]:
        """Run a loop until its dispatcher has looked so often; returns what it reported."""
        reports: list[str] = []
        self.heard: list[str | None] = []
        lacks = Lacks(count(0, CALM * 0.6).__next__, hear=self.heard.append)
        loop = DispatchLoop(dispatcher, interval=0.001, batch=100, report=reports.append, lacks=lacks)
        dispatcher.stop_after = (looks, loop)
        loop.start()
        loop.join(10)
        return reports

    class Failing:
        """Fails at its first look and stops the loop after a number of looks."""

        stop_after: tuple[int, DispatchLoop]
        looks = 0

        def __init__(self, error: Exception) -> None:
            self.error = error

        def run_once(self) -> int:
            self.looks += 1
            wanted, loop = self.stop_after
            if self.looks == wanted:
                loop.ask_to_stop()
            if self.looks == 1:
                raise self.error
            return 0

    @pytest.mark.parametrize(
        "error", [OSError(errno.EMFILE, "no"), MemoryError(), RuntimeError("can't start new thread")]
    )
    def test_a_look_for_which_something_is_lacking_is_told_as_that_and_the_loop_goes_on(
        self, error: Exception
    ) -> None:
        dispatcher = self.Failing(error)
        assert self.run_until(dispatcher, looks=3) == []
        assert dispatcher.looks == 3
        # And what it lacked it has again after a while of looks that went well, with no order to work on.
        assert len(self.heard) == 2
        assert self.heard[-1] is None

    def test_a_look_that_fails_is_reported_and_the_loop_goes_on(self) -> None:
        dispatcher = self.Failing(ValueError("a bug"))
        reports = self.run_until(dispatcher, looks=3)
        assert dispatcher.looks == 3
        assert len(reports) == 1
        assert "a bug" in reports[0]

    def test_a_database_that_is_gone_is_told_and_told_once_to_be_back(self) -> None:
        reports = self.run_until(self.Failing(DatabaseUnavailableError("gone")), looks=4)
        assert reports == ["gone", "the orders database answers again, after 0 s"]


class TestPruning:
    def test_comes_after_each_look_that_has_published_all_there_was(self, site: Site) -> None:
        dispatcher = site.grown_dispatcher()
        site.prunings, site.waiting = 0, site.waiting[:150]
        assert [dispatcher.run_once(), site.prunings] == [100, 0]
        assert [dispatcher.run_once(), site.prunings] == [50, 1]

    def test_goes_on_during_an_outage(self, site: Site) -> None:
        site.slots = 0
        site.dispatcher().run_once()
        assert site.prunings == 1
