"""Scenes for the demo's tests."""

from __future__ import annotations

from typing import Any

from breakwall.breaker import CircuitState
from breakwall.demo.snapshot import Scene, ServiceState


def scene(**changed: Any) -> Scene:
    """A quiet moment, with some things changed."""
    quiet: dict[str, Any] = {
        "at": 3.0,
        "service": ServiceState.UP,
        "worker_alive": True,
        "accepted": 100,
        "told": {"paid": 97, "declined": 3},
        "refused": 0,
        "customers_done": False,
        "wait": 0.08,
        "paid": 97,
        "declined": 3,
        "waiting": 0,
        "unsettled": 0,
        "stuck": 0,
        "oldest": 0.0,
        "circuit": CircuitState.CLOSED,
        "retry_after": 0.0,
        "opened_at": None,
        "failures": 0,
    }
    return Scene(**{**quiet, **changed})
