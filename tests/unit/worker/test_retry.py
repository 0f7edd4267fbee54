"""The task behind a message: one order or several, of this version or a later one."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
from breakwall.worker.app import retry_payment

PUT_OFF = "put off: the database does not answer"


class Retrier:
    """Fails as it is told, and remembers what it worked on."""

    def __init__(self, **failures: BaseException) -> None:
        self.failures = failures
        self.worked_on: list[str] = []

    def run(self, order_id: str) -> str:
        self.worked_on.append(order_id)
        if order_id in self.failures:
            raise self.failures[order_id]
        return "paid"


def deliver(retrier: Retrier, *arguments: Any, **also: Any) -> Any:
    runtime = SimpleNamespace(
        retrier=retrier,
        patience=SimpleNamespace(run=lambda work: work()),
        telling=SimpleNamespace(tell=lambda order_id, work: work(order_id)),
        heartbeat=SimpleNamespace(busy=lambda: None),
    )
    task = SimpleNamespace(app=SimpleNamespace(breakwall=runtime))
    return retry_payment(task, *arguments, **also)


class TestAMessage:
    def test_of_one_order_is_worked_on(self) -> None:
        assert deliver(Retrier(), "o1") == "paid"

    def test_of_several_orders_is_worked_on_one_by_one(self) -> None:
        retrier = Retrier()
        assert deliver(retrier, ["o1", "o2", "o3"]) == ["paid"] * 3
        assert retrier.worked_on == ["o1", "o2", "o3"]

    @pytest.mark.parametrize("named", ["o1", ["o1"]])
    def test_with_what_a_later_version_adds_is_worked_on(self, named: object) -> None:
        retrier = Retrier()
        deliver(retrier, named, {"due": "soon"}, form=3)
        assert retrier.worked_on == ["o1"]


class TestAFailureOfOneOrderOfSeveral:
    @pytest.mark.parametrize("error", [DatabaseUnavailableError("is gone"), SchemaError("is behind")])
    def test_puts_that_one_off_and_loses_none(self, error: Exception) -> None:
        retrier = Retrier(o2=error)
        assert deliver(retrier, ["o1", "o2", "o3"]) == ["paid", PUT_OFF, "paid"]

    def test_that_nobody_has_foreseen_is_told_once_the_rest_is_done(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        retrier = Retrier(o1=RuntimeError("a bug"), o3=ValueError("another"))
        with caplog.at_level(logging.ERROR), pytest.raises(ExceptionGroup, match="2 of 3 orders") as caught:
            deliver(retrier, ["o1", "o2", "o3"])
        assert retrier.worked_on == ["o1", "o2", "o3"]
        assert [str(error) for error in caught.value.exceptions] == ["a bug", "another"]
        assert "order o1 failed" in caplog.text

    def test_that_ends_the_process_leaves_the_message_unacknowledged(self) -> None:
        retrier = Retrier(o1=SystemExit(1))
        with pytest.raises(SystemExit):
            deliver(retrier, ["o1", "o2"])
        assert retrier.worked_on == ["o1"]
