"""What the gate allows, from the circuit's status and an operator's pause."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.worker.gate import HANGING_FOR, Allowance, Gate


def allowance(*, paused: bool = False, slots: int | None = None, wait: float = 0.0, **also: Any) -> Allowance:
    load = {"background_slots": slots, "hanging": False, "background_wait": 0.0, **also}
    status = SimpleNamespace(slots=slots, retry_after=wait, override=None, **load)
    breaker: Any = SimpleNamespace(status=lambda: status)
    return Gate(breaker, lambda: paused).allowance()


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        pytest.param({}, Allowance(None), id="any number while the circuit is closed"),
        pytest.param({"background_slots": 4}, Allowance(None), id="any number below the limit"),
        pytest.param(
            {"slots": 0, "wait": 12.0}, Allowance(0, 12.0, "circuit_open"), id="none while it is open"
        ),
        pytest.param({"slots": 2}, Allowance(2, 0.0, "half_open"), id="its probes while it is half-open"),
        pytest.param(
            {"slots": 2, "background_slots": 0},
            Allowance(0, 0.0, "half_open"),
            id="none of its probes if live orders need them",
        ),
        pytest.param(
            {"background_slots": 0}, Allowance(None), id="any number at the limit: the slots hold to it"
        ),
        pytest.param(
            {"background_slots": 0, "background_wait": 0.7},
            Allowance(None, 0.7),
            id="any number before the next turn under a rate",
        ),
        pytest.param(
            {"background_slots": 0, "hanging": True, "wait": 0.3},
            Allowance(0, HANGING_FOR, "hanging"),
            id="none while the service hangs",
        ),
    ],
)
def test_the_circuit_decides(given: dict[str, Any], allowed: Allowance) -> None:
    assert allowance(**given) == allowed


def test_a_pause_closes_it_whatever_the_circuit_says() -> None:
    closed = allowance(paused=True)
    assert (closed.slots, closed.reason) == (0, "paused")
