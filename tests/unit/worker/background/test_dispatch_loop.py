"""The dispatch loop continues after any failure, and reports it once."""

from __future__ import annotations

import errno
from itertools import count
from typing import Any

import pytest

from breakwall.host.exhaustion import CALM, ResourceExhaustion
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker.background.dispatch_loop import SOON, DispatchLoop


class FailingOnce:
    """A dispatcher that fails in its first run and stops its loop after a number of runs."""

    loop: DispatchLoop
    is_draining = False

    def __init__(self, error: Exception, stop_after: int) -> None:
        self.error = error
        self.stop_after = stop_after
        self.runs = 0

    def run_once(self) -> int:
        self.runs += 1
        if self.runs == self.stop_after:
            self.loop.ask_to_stop()
        if self.runs == 1:
            raise self.error
        return 0


class Outcome:
    """What the loop reported, as sentences and as exhausted resources."""

    def __init__(self, error: Exception, *, runs: int) -> None:
        self.reports: list[str] = []
        self.exhausted: list[str | None] = []
        dispatcher: Any = FailingOnce(error, stop_after=runs)
        exhaustion = ResourceExhaustion(count(0, CALM * 0.6).__next__, on_change=self.exhausted.append)
        dispatcher.loop = DispatchLoop(
            dispatcher, interval=0.001, batch=100, report=self.reports.append, exhaustion=exhaustion
        )
        dispatcher.loop.start()
        dispatcher.loop.join(60)
        self.runs = dispatcher.runs


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "no"), MemoryError(), RuntimeError("can't start new thread")]
)
def test_an_exhausted_resource_and_its_return_are_reported(error: Exception) -> None:
    outcome = Outcome(error, runs=3)
    assert outcome.reports == []
    assert outcome.runs == 3
    assert [resource is None for resource in outcome.exhausted] == [False, True]


def test_any_other_failure_is_reported_and_the_loop_continues() -> None:
    outcome = Outcome(ValueError("a bug"), runs=3)
    assert outcome.runs == 3
    assert outcome.reports == ["the dispatcher failed and continues: ValueError: a bug"]


def test_a_database_outage_and_its_end_are_reported() -> None:
    outcome = Outcome(DatabaseUnavailableError("gone"), runs=4)
    assert outcome.reports == ["gone", "the orders database answers again, after 0 s"]


@pytest.mark.parametrize("is_draining", [True, False])
def test_while_orders_drain_the_next_run_comes_soon(is_draining: bool) -> None:
    dispatcher: Any = FailingOnce(ValueError("a bug"), stop_after=2)
    dispatcher.is_draining = is_draining
    dispatcher.loop = DispatchLoop(
        dispatcher, interval=60.0, batch=100, report=print, exhaustion=ResourceExhaustion(lambda: 0.0)
    )
    dispatcher.loop.start()
    dispatcher.loop.join(10 * SOON)
    assert dispatcher.runs == (2 if is_draining else 1)
    dispatcher.loop.ask_to_stop()
