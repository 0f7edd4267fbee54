"""The plot goes on only when what it waits for has happened, and says so when it has not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from breakwall.breaker import CircuitState
from breakwall.demo.messages import Event
from breakwall.demo.plan import Plan
from breakwall.demo.reconciliation import Promise
from breakwall.demo.scenario import Play, StuckError
from breakwall.demo.snapshot import Scene, ServiceState
from tests.unit.demo.snapshots import scene


class FakeChild:
    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = 4711


class FakePromises:
    ready = True
    promises: list[Promise] = []  # noqa: RUF012 - nobody writes to it

    def usual_wait(self, since: int) -> float:
        return 0.004


class FakeSite:
    """Processes that do at once what is asked of them, and note it."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.payment_service, self.worker = FakeChild("payment service"), FakeChild("worker")
        self.promises = FakePromises()
        self.control = self

    def set_faults(self, **changes: Any) -> None:
        self.did.append("faults")

    def stats(self) -> dict[str, Any]:
        return {"injected": {"charge_then_fail": 6}}

    def kill(self, child: FakeChild) -> None:
        self.did.append(f"kill {child.name}")

    def payment_service_ready(self) -> bool:
        return True

    def worker_ready(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return lambda: self.did.append(name.replace("_", " "))


class World:
    """Ten orders a second for twenty seconds, through a breaker that opens and closes as it should.

    Args:
        opens: whether the circuit opens when the service is dead.
        settles: whether all orders are settled in the end.
        backlog: orders that wait when the service is back.
    """

    def __init__(self, *, opens: bool = True, settles: bool = True, backlog: int = 100) -> None:
        self.now = 0.0
        self.opens, self.settles, self.backlog = opens, settles, backlog
        self.back_since: float | None = None
        self.dead_since: float | None = None

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def look(self, service: ServiceState, *, worker_alive: bool) -> Scene:
        if service is ServiceState.DEAD and self.dead_since is None:
            self.dead_since = self.now
        if service is ServiceState.UP and self.dead_since is not None and self.back_since is None:
            self.back_since = self.now
        waiting = self._waiting()
        return scene(
            at=self.now,
            service=service,
            accepted=min(200, int(self.now * 10)),
            customers_done=self.now >= 20,
            circuit=self._circuit(),
            opened_at=self.dead_since,
            waiting=waiting,
            unsettled=waiting if self.settles else max(waiting, 3),
        )

    def calls_since(self, moment: float) -> int:
        return 5

    def in_hands(self) -> int:
        return 4

    def _circuit(self) -> CircuitState:
        dead = self.dead_since is not None and (self.back_since is None or self.now < self.back_since + 1)
        return CircuitState.OPEN if dead and self.opens else CircuitState.CLOSED

    def _waiting(self) -> int:
        if self.dead_since is None:
            return 0
        if self.back_since is None:
            return self.backlog
        return max(0, int(self.backlog - 20 * (self.now - self.back_since)))


class Listener:
    """A stage that only remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.acts: list[int] = []

    def act(self, number: int, title: str) -> None:
        self.acts.append(number)

    def tell(self, event: Event) -> None:
        self.told.append(event.what)

    def show(self, shown: Scene) -> None:
        return

    def heard(self, words: str) -> bool:
        return any(words in sentence for sentence in self.told)


class Theatre:
    """A play with everything around it."""

    def __init__(self, world: World) -> None:
        self.site, self.stage, self.world = FakeSite(), Listener(), world
        plan = Plan(orders=200, rate=10, outage=6, seed=1)
        self.play = Play(self.site, world, self.stage, plan, lambda: world.now, world.sleep)  # type: ignore[arg-type]


def test_the_whole_story_is_told_in_its_order() -> None:
    theatre = Theatre(World())
    course = theatre.play.run()
    assert theatre.stage.acts == [1, 2, 3]
    assert [did for did in theatre.site.did if "kill" in did] == ["kill payment service", "kill worker"]
    assert Counter(theatre.site.did)["start worker"] == 2
    assert Counter(theatre.site.did)["start payment service"] == 2
    assert course.most_waiting == 100
    assert course.calls_while_open == 5
    assert course.worker_killed
    assert theatre.stage.heard("Every order is settled")


def test_the_service_is_dead_for_as_long_as_was_asked_for() -> None:
    theatre = Theatre(World())
    theatre.play.run()
    world = theatre.world
    assert world.dead_since is not None
    assert world.back_since is not None
    assert world.back_since - world.dead_since == pytest.approx(6, abs=0.3)


def test_a_backlog_that_is_over_at_once_spares_the_worker() -> None:
    theatre = Theatre(World(backlog=8))
    course = theatre.play.run()
    assert "kill worker" not in theatre.site.did
    assert not course.worker_killed
    assert not theatre.stage.heard("One more blow")


def test_a_circuit_that_does_not_open_ends_the_demo() -> None:
    with pytest.raises(StuckError, match="in vain until the circuit opens"):
        Theatre(World(opens=False)).play.run()


def test_orders_that_are_never_settled_are_told_and_left_to_the_proof() -> None:
    theatre = Theatre(World(settles=False))
    theatre.play.run()
    assert theatre.stage.heard("3 orders not settled")
    assert not theatre.stage.heard("Every order is settled")
