"""A worker answers commands that show its state, and refuses the others."""

from __future__ import annotations

from typing import Any

import pytest
from celery.worker.control import Panel

from breakwall.broker.consuming.remote_control import REASONS, SHOWING, ControlCommands
from breakwall.log_throttle import INTERVAL, LogThrottle
from tests.manual_clock import MonotonicClock


@pytest.mark.parametrize("name", ["shutdown", "cancel_consumer", "add_consumer", "revoke", "rate_limit"])
def test_a_command_that_would_stop_or_change_a_worker_is_refused_with_what_to_do(name: str) -> None:
    assert ControlCommands()[name](None, msg="bye") == {"error": f"refused: {REASONS[name]}"}


def test_every_command_of_celerys_is_answered_or_refused() -> None:
    handlers = ControlCommands()
    for name in Panel.data:
        assert name in handlers or "refused" in handlers[name](None)["error"]
    assert set(Panel.data) >= set(SHOWING)


@pytest.mark.parametrize("arguments", [{"state": 1}, {"unknown": 1}, {}])
def test_no_answer_raises(arguments: dict[str, Any]) -> None:
    assert "failed" in ControlCommands()["query_task"](None, **arguments)["error"]


def test_a_refusal_is_logged_once_a_minute_and_nothing_of_an_unknown_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = MonotonicClock()
    handlers = ControlCommands(LogThrottle(clock))
    for _ in range(int(INTERVAL)):
        handlers["shutdown"](None)
        handlers["a\nforged"](None)
        handlers["another"](None)
        clock.now += 1
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "SIGTERM" in lines[0]
    assert "forged" not in lines[1]
