"""How many orders a worker takes from its broker. No broker, no breaker."""

from __future__ import annotations

import threading
import time

import pytest

from breakwall.breaker import CircuitState, Refusal
from breakwall.worker.gate import Allowance
from breakwall.worker.intake import BUSY_INTERVAL, IDLE_INTERVAL, LONGEST_TURN, SHORTEST, Intake, IntakeLoop


class FakeDrain:
    def __init__(self, held: int = 0, wanted: int = 48) -> None:
        self.held = held
        self.wanted = wanted


class FakeGate:
    allowed = Allowance(None)

    def allowance(self) -> Allowance:
        return self.allowed


def intake_of(gate: FakeGate, drain: FakeDrain) -> Intake:
    return Intake(gate, drain)  # type: ignore[arg-type]  # the one method of Gate that it uses


def refreshed(allowed: Allowance, drain: FakeDrain) -> Intake:
    gate = FakeGate()
    gate.allowed = allowed
    intake = intake_of(gate, drain)
    intake.refresh()
    return intake


def test_nothing_is_taken_before_the_gate_was_read() -> None:
    assert intake_of(FakeGate(), FakeDrain()).capacity == 0


@pytest.mark.parametrize(
    ("allowed", "held", "wanted", "capacity"),
    [
        pytest.param(Allowance(None), 10, 38, 48, id="an open gate: what the drain has use for"),
        pytest.param(Allowance(None), 60, -12, 60, id="a full drain takes no more"),
        pytest.param(Allowance(0, 9.0), 10, 38, 0, id="a closed gate: nothing"),
        pytest.param(Allowance(3), 1, 47, 3, id="half-open: no more than its permits"),
    ],
)
def test_takes_what_the_gate_allows_and_the_drain_wants(
    allowed: Allowance, held: int, wanted: int, capacity: int
) -> None:
    assert refreshed(allowed, FakeDrain(held, wanted)).capacity == capacity


@pytest.mark.parametrize(
    ("allowed", "held", "pause"),
    [
        pytest.param(Allowance(0, 0.3), 0, 0.3, id="until the circuit permits a probe"),
        pytest.param(Allowance(0, 30.0), 0, IDLE_INTERVAL, id="not longer: a person may close the circuit"),
        pytest.param(Allowance(0, 1e-9), 0, SHORTEST, id="without spinning"),
        pytest.param(Allowance(3), 0, BUSY_INTERVAL, id="soon while it probes"),
        pytest.param(Allowance(None), 5, BUSY_INTERVAL, id="soon while orders are in hand"),
        pytest.param(Allowance(None, 0.7), 5, 0.7, id="at the next turn under a rate"),
        pytest.param(Allowance(None, 5.0), 5, LONGEST_TURN, id="not longer: a person may change the rate"),
        pytest.param(Allowance(None), 0, IDLE_INTERVAL, id="later while there is nothing to do"),
    ],
)
def test_the_next_read_comes_when_something_may_have_changed(
    allowed: Allowance, held: int, pause: float
) -> None:
    gate = FakeGate()
    gate.allowed = allowed
    assert intake_of(gate, FakeDrain(held)).refresh() == pause


def test_a_change_and_only_a_change_is_reported() -> None:
    gate, changes = FakeGate(), []
    intake = intake_of(gate, FakeDrain())
    intake.on_change = lambda: changes.append(intake.capacity)
    for gate.allowed in (
        Allowance(None),
        Allowance(None),
        Allowance(0, 5.0),
        Allowance(0, 4.0),
        Allowance(2),
    ):
        intake.refresh()
    assert changes == [48, 0, 2]


def test_a_refused_call_is_no_reason_to_read_the_gate() -> None:
    reads: list[float] = []
    twice = threading.Event()

    class CountingGate(FakeGate):
        def allowance(self) -> Allowance:
            reads.append(time.monotonic())
            if len(reads) == 2:
                twice.set()
            return self.allowed

    loop = IntakeLoop(intake_of(CountingGate(), FakeDrain()))
    loop.wake(Refusal("payment", CircuitState.CLOSED, 0.1))
    loop.start()
    assert twice.wait(60)
    loop.stop()
    assert reads[1] - reads[0] > IDLE_INTERVAL / 2


def test_the_loop_reads_the_gate_at_once_when_it_is_woken() -> None:
    gate, closed = FakeGate(), threading.Event()
    intake = intake_of(gate, FakeDrain())
    intake.on_change = lambda: closed.set() if intake.capacity == 0 else None
    intake.refresh()
    loop = IntakeLoop(intake)
    loop.start()
    gate.allowed = Allowance(0, 60.0)
    loop.wake()
    assert closed.wait(60)
    loop.stop()
