"""The dispatch loop goes on after any failure, and reports it once."""

from __future__ import annotations

import errno
from itertools import count
from typing import Any

import pytest

from breakwall.host.exhaustion import CALM, ResourceExhaustion
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker.background.dispatch_loop import DispatchLoop


class FailingOnce:
    """A dispatcher that fails at its first look and stops its loop after a number of looks."""

    loop: DispatchLoop

    def __init__(self, error: Exception, stop_after: int) -> None:
        self.error = error
        self.stop_after = stop_after
        self.looks = 0

    def run_once(self) -> int:
        self.looks += 1
        if self.looks == self.stop_after:
            self.loop.ask_to_stop()
        if self.looks == 1:
            raise self.error
        return 0


class Outcome:
    """What the loop reported, as sentences and as exhausted resources."""

    def __init__(self, error: Exception, *, looks: int) -> None:
        self.reports: list[str] = []
        self.exhausted: list[str | None] = []
        dispatcher: Any = FailingOnce(error, stop_after=looks)
        exhaustion = ResourceExhaustion(count(0, CALM * 0.6).__next__, on_change=self.exhausted.append)
        dispatcher.loop = DispatchLoop(
            dispatcher, interval=0.001, batch=100, report=self.reports.append, exhaustion=exhaustion
        )
        dispatcher.loop.start()
        dispatcher.loop.join(10)
        self.looks = dispatcher.looks


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "no"), MemoryError(), RuntimeError("can't start new thread")]
)
def test_a_look_that_fails_for_want_of_a_resource_reports_that_and_its_end(error: Exception) -> None:
    outcome = Outcome(error, looks=3)
    assert outcome.reports == []
    assert outcome.looks == 3
    assert [resource is None for resource in outcome.exhausted] == [False, True]


def test_any_other_failure_is_reported_and_the_loop_goes_on() -> None:
    outcome = Outcome(ValueError("a bug"), looks=3)
    assert outcome.looks == 3
    assert outcome.reports == ["the dispatcher failed and goes on: ValueError: a bug"]


def test_a_database_outage_and_its_end_are_reported() -> None:
    outcome = Outcome(DatabaseUnavailableError("gone"), looks=4)
    assert outcome.reports == ["gone", "the orders database answers again, after 0 s"]
