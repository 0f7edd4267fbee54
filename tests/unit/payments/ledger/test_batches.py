"""The pauses of a long job, without a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from breakwall.payments.db.database import Database
from breakwall.payments.ledger.batches import BatchJob


def job(slept: list[float], timer: Callable[[], float]) -> BatchJob:
    database = cast(Database, None)  # a pause needs none
    return BatchJob(database, sleep=slept.append, timer=timer)


def test_a_job_pauses_after_each_batch_for_as_long_as_the_batch_and_its_reader_took() -> None:
    moments = iter([0.0, 2.0, 10.0, 13.0, 20.0])
    slept: list[float] = []
    assert list(job(slept, lambda: next(moments))._paced(iter("ab"))) == ["a", "b"]
    assert slept == [2.0, 3.0]


def test_a_job_that_is_stopped_pauses_no_more() -> None:
    slept: list[float] = []
    batches = job(slept, lambda: 0.0)._paced(iter("ab"))
    assert next(batches) == "a"
    batches.close()  # type: ignore[attr-defined]
    assert slept == []
