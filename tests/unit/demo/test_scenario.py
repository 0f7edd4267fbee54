"""Each step of the scenario waits until the one before has happened; an error names what did not happen."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.breaker import CircuitState
from breakwall.demo.messages import DemoMessage
from breakwall.demo.options import DemoOptions
from breakwall.demo.scenario import DemoScenario, ScenarioTimeoutError
from breakwall.demo.snapshot import DemoSnapshot, ServiceState
from tests.unit.demo.snapshots import snapshot


class FakeProcesses:
    """Processes that do at once what is asked of them, and record it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.options = DemoOptions(orders=200, rate=10, outage=6, seed=1)
        self.acknowledgements = SimpleNamespace(ready=True, median_wait=lambda since: 0.004)
        self.control = self

    def set_faults(self, **changes: Any) -> None:
        self.done.append("faults")

    def stats(self) -> dict[str, Any]:
        return {"injected": {"charge_then_fail": 6}}

    def kill(self, name: str) -> int:
        self.done.append(f"kill {name}")
        return 4711

    def payment_service_ready(self) -> bool:
        return True

    def worker_ready(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return lambda: self.done.append(name.replace("_", " "))


class FakeMonitor:
    """Ten orders a second for twenty seconds, through a breaker that opens and closes as it should.

    Args:
        opens: whether the circuit opens when the service is dead.
        finishes: whether all orders are finished in the end.
        backlog: orders that wait when the service is back.
    """

    def __init__(self, *, opens: bool = True, finishes: bool = True, backlog: int = 100) -> None:
        self.now = 0.0
        self.opens, self.finishes, self.backlog = opens, finishes, backlog
        self.back_since: float | None = None
        self.dead_since: float | None = None

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take_snapshot(self, service: ServiceState, *, worker_alive: bool) -> DemoSnapshot:
        if service is ServiceState.DEAD and self.dead_since is None:
            self.dead_since = self.now
        if service is ServiceState.UP and self.dead_since is not None and self.back_since is None:
            self.back_since = self.now
        waiting = self._waiting()
        return snapshot(
            at=self.now,
            service=service,
            accepted=min(200, int(self.now * 10)),
            customers_done=self.now >= 20,
            circuit=self._circuit(),
            opened_at=self.dead_since,
            waiting=waiting,
            unfinished=waiting if self.finishes else max(waiting, 3),
        )

    def count_calls_since(self, moment: float) -> int:
        return 5

    def count_retried_now(self) -> int:
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


class RecordingScreen:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parts: list[int] = []

    def part(self, number: int) -> None:
        self.parts.append(number)

    def write(self, message: DemoMessage) -> None:
        self.texts.append(message.what)

    def show(self, now: DemoSnapshot) -> None:
        return

    def has(self, words: str) -> bool:
        return any(words in text for text in self.texts)


class Demo:
    """A scenario with everything around it."""

    def __init__(self, monitor: FakeMonitor) -> None:
        self.processes, self.screen, self.monitor = FakeProcesses(), RecordingScreen(), monitor
        around: Any = (self.processes, monitor, self.screen)
        self.scenario = DemoScenario(*around, lambda: monitor.now, monitor.sleep)


def test_everything_happens_in_its_order() -> None:
    demo = Demo(FakeMonitor())
    figures = demo.scenario.run()
    assert demo.screen.parts == [1, 2, 3]
    assert [done for done in demo.processes.done if "kill" in done] == ["kill payment service", "kill worker"]
    assert Counter(demo.processes.done)["start worker"] == 2
    assert Counter(demo.processes.done)["start payment service"] == 2
    assert figures.most_waiting == 100
    assert figures.calls_while_open == 5
    assert figures.worker_killed
    assert demo.screen.has("Every order is finished")


def test_the_service_is_dead_for_as_long_as_the_options_say() -> None:
    monitor = FakeMonitor()
    Demo(monitor).scenario.run()
    assert monitor.dead_since is not None
    assert monitor.back_since is not None
    assert monitor.back_since - monitor.dead_since == pytest.approx(6, abs=0.3)


def test_with_a_short_backlog_the_worker_is_not_killed() -> None:
    demo = Demo(FakeMonitor(backlog=8))
    figures = demo.scenario.run()
    assert "kill worker" not in demo.processes.done
    assert not figures.worker_killed
    assert not demo.screen.has("kill -9 for the worker")


def test_a_circuit_that_does_not_open_ends_the_demo() -> None:
    with pytest.raises(ScenarioTimeoutError, match="in vain until the circuit opens"):
        Demo(FakeMonitor(opens=False)).scenario.run()


def test_orders_that_never_finish_are_reported_and_left_to_the_proof() -> None:
    demo = Demo(FakeMonitor(finishes=False))
    demo.scenario.run()
    assert demo.screen.has("3 orders not finished")
    assert not demo.screen.has("Every order is finished")
