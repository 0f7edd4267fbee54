"""The task behind a message: one order or several, of this version or a later one."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
from breakwall.worker.app import retry_payment

DEFERRED = "deferred: the database does not answer"


class FakeRetrier:
    """Fails for some orders, and remembers what it worked on."""

    def __init__(self, **failures: BaseException) -> None:
        self.failures = failures
        self.worked_on: list[str] = []

    def run(self, order_id: str) -> str:
        self.worked_on.append(order_id)
        if order_id in self.failures:
            raise self.failures[order_id]
        return "paid"


def deliver(retrier: FakeRetrier, *arguments: Any, **also: Any) -> Any:
    runtime = SimpleNamespace(
        retrier=retrier,
        exhaustion_retry=SimpleNamespace(run=lambda work: work()),
        order_log=SimpleNamespace(write=lambda order_id, status, took: status),
        heartbeat=SimpleNamespace(mark_busy=lambda: None),
        monotonic=lambda: 0.0,
    )
    task = SimpleNamespace(app=SimpleNamespace(breakwall=runtime))
    return retry_payment(task, *arguments, **also)


class TestAMessage:
    def test_of_one_order_is_worked_on(self) -> None:
        assert deliver(FakeRetrier(), "o1") == "paid"

    def test_of_several_orders_is_worked_on_one_by_one(self) -> None:
        retrier = FakeRetrier()
        assert deliver(retrier, ["o1", "o2", "o3"]) == ["paid"] * 3
        assert retrier.worked_on == ["o1", "o2", "o3"]

    @pytest.mark.parametrize("named", ["o1", ["o1"]])
    def test_with_what_a_later_version_adds_is_worked_on(self, named: object) -> None:
        retrier = FakeRetrier()
        deliver(retrier, named, {"due": "soon"}, form=3)
        assert retrier.worked_on == ["o1"]


class TestAFailureOfOneOrderOfSeveral:
    @pytest.mark.parametrize("error", [DatabaseUnavailableError("is gone"), SchemaError("is behind")])
    def test_defers_that_one_and_loses_none(self, error: Exception) -> None:
        retrier = FakeRetrier(o2=error)
        assert deliver(retrier, ["o1", "o2", "o3"]) == ["paid", DEFERRED, "paid"]

    def test_that_is_unexpected_is_raised_once_the_others_are_done(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        retrier = FakeRetrier(o1=RuntimeError("a bug"), o3=ValueError("another"))
        with caplog.at_level(logging.ERROR), pytest.raises(ExceptionGroup, match="2 of 3 orders") as caught:
            deliver(retrier, ["o1", "o2", "o3"])
        assert retrier.worked_on == ["o1", "o2", "o3"]
        assert [str(error) for error in caught.value.exceptions] == ["a bug", "another"]
        assert "order o1 failed" in caplog.text

    def test_that_ends_the_process_leaves_the_message_unacknowledged(self) -> None:
        retrier = FakeRetrier(o1=SystemExit(1))
        with pytest.raises(SystemExit):
            deliver(retrier, ["o1", "o2"])
        assert retrier.worked_on == ["o1"]
