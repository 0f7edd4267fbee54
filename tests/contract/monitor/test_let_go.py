"""After a pause, an override or an open circuit has ended, nothing is called a standstill before it can be one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from breakwall.breaker import CircuitState
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.let_go import GRACE
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.situations import Severity
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.verdict import verdict
from breakwall.web.page.words import Words
from breakwall.worker.background.heartbeat import Heartbeat
from tests.contract.people import ANNA, queued
from tests.contract.site import Site
from tests.gateway import PAID

LASTED = 600.0  # Seconds for which the drain is held: longer than any alarm waits.
STARTS = 20  # Seconds after the end until the first order is finished: a slow fleet.
STEP = 5  # Seconds between two looks.


class World:
    """A site whose only worker lives, with an order that has been due while the drain was held."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.monitor = Monitor(site.database, site.breaker, lambda: 0, clock=site.clock)
        self.control = DrainControl(site.database, clock=site.clock)
        self.heartbeat = Heartbeat(site.database, clock=site.clock)
        self.heartbeat.identify("celery@web-1", 4)

    def wait(self, seconds: float) -> None:
        self.site.advance(seconds)
        self.heartbeat.run_once()

    def faults(self) -> list[str]:
        """What a person is told to act on, now, at a terminal, over HTTP and on the page."""
        seen = self.monitor.snapshot()
        page = verdict(PageSnapshot(backlog=seen, config=self.site.breaker.config), Words("en"))
        acting = [page.situation.value] if page.severity is Severity.ACT else []
        held = [one.kind.value for one in seen.blocked_by if one.kind in {"workers_idle", "none_finished"}]
        return [*held, *(one.kind.value for one in seen.warnings), *acting]


@dataclass(frozen=True)
class Hold:
    """Something that holds the drain for `LASTED` seconds, and its end."""

    begin: Callable[[World], object]
    end: Callable[[World], object] = lambda world: None


def open_for_long(world: World) -> None:
    world.site.open_circuit()
    while world.site.seconds < LASTED - 300:  # Each failed probe doubles the interval: the last one is long.
        world.site.open_circuit_again()


HOLDS = {
    "a pause that ends by itself": Hold(lambda world: world.control.pause(ANNA, LASTED)),
    "a pause that a person ends": Hold(
        lambda world: world.control.pause(ANNA), lambda world: world.control.resume(ANNA)
    ),
    "an override that ends by itself": Hold(
        lambda world: world.site.breaker.force_open("maintenance", "anna", LASTED)
    ),
    "an override that a person lifts": Hold(
        lambda world: world.site.breaker.force_open("maintenance", "anna"),
        lambda world: world.site.breaker.auto("anna"),
    ),
    "an override of an open circuit that ends by itself": Hold(
        lambda world: (
            world.site.open_circuit(),
            world.site.breaker.force_open("maintenance", "anna", LASTED),
        )
    ),
    "an open interval that a person ends": Hold(
        open_for_long,
        lambda world: (world.site.open_circuit_again(), world.site.breaker.probe()),
    ),
}


@pytest.fixture(params=HOLDS)
def world(request: pytest.FixtureRequest, site: Site) -> World:
    """At the moment at which the hold has just ended."""
    found, hold = World(site), HOLDS[request.param]
    queued(site, "a", "b")
    found.heartbeat.run_once()
    hold.begin(found)
    found.wait(LASTED)
    hold.end(found)
    return found


def test_a_fleet_that_needs_its_time_is_at_no_moment_called_hanging(world: World) -> None:
    for _ in range(STARTS // STEP):
        assert world.faults() == []
        world.wait(STEP)
    world.heartbeat.mark_busy()
    world.site.attempt(world.site.get("a").id, PAID, OrderStatus.PAID)
    for _ in range(int(GRACE) // STEP):
        assert world.faults() == []
        world.wait(STEP)


def test_a_standstill_is_said_once_the_fleet_has_had_its_time(world: World) -> None:
    world.wait(GRACE - 1)
    assert world.faults() == []
    world.wait(1)
    assert world.faults() != []


def test_a_circuit_that_closes_lets_the_drain_begin(site: Site) -> None:
    """Customers' own orders have closed it, so no waiting order was finished."""
    world = World(site)
    queued(site, "a")
    world.heartbeat.run_once()
    open_for_long(world)
    world.wait(LASTED)
    site.breaker_forgets()
    assert site.breaker.status().state is CircuitState.CLOSED
    world.wait(GRACE - 1)
    assert world.faults() == []
    world.wait(1)
    assert "workers_idle" in world.faults()


def test_a_pause_that_has_begun_anew_is_no_pause_that_has_ended(site: Site) -> None:
    world = World(site)
    queued(site, "a")
    world.control.pause(ANNA, 60)
    world.wait(120)
    world.control.pause(ANNA)
    world.wait(LASTED)
    assert [one.kind for one in world.monitor.snapshot().blocked_by] == ["paused"]


def test_without_any_hold_a_standstill_is_said_after_a_minute(site: Site) -> None:
    world = World(site)
    queued(site, "a")
    due_for = world.monitor.snapshot().oldest_due_age_seconds
    world.wait(GRACE - 1 - due_for)
    assert world.faults() == []
    world.wait(1)
    assert "none_finished" in world.faults()


def test_a_clock_that_was_set_back_hides_no_standstill(site: Site) -> None:
    world = World(site)
    world.control.pause(ANNA)
    world.control.resume(ANNA)
    site.clock.advance(-3600)
    queued(site, "a")
    world.heartbeat.run_once()
    world.wait(2 * GRACE)
    assert "workers_idle" in world.faults()


def test_a_store_whose_clock_was_set_back_hides_no_standstill(site: Site) -> None:
    site.advance(7200)
    world = World(site)
    site.open_circuit()
    site.advance(31)
    site.breaker_forgets()
    site.advance(-3600)
    queued(site, "a")
    world.heartbeat.run_once()
    world.wait(2 * GRACE)
    assert "workers_idle" in world.faults()


def test_a_program_that_sets_the_rate_again_and_again_hides_no_standstill(site: Site) -> None:
    world = World(site)
    queued(site, "a")
    for _ in range(5):
        world.control.set_rate(ANNA, 5.0)
        world.wait(GRACE / 2)
    assert "workers_idle" in world.faults()
