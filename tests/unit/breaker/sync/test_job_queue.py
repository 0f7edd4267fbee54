"""In which order the thread of a store does its jobs."""

from __future__ import annotations

import time

import pytest

from breakwall.breaker.sync.job_queue import JobQueue


def queued(*jobs: tuple[str, float], log: list[str]) -> JobQueue:
    queue = JobQueue()
    for name, delay in jobs:
        queue.put(lambda name=name: log.append(name), lambda: None, delay)  # type: ignore[misc]
    return queue


def do(queue: JobQueue, count: int) -> None:
    for _ in range(count):
        work = queue.take()
        assert work is not None
        work[0]()


@pytest.mark.parametrize(
    ("jobs", "done"),
    [
        ([("first", 0.0), ("second", 0.0)], ["first", "second"]),
        ([("later", 3600.0), ("now", 0.0)], ["now"]),
        ([("second", 0.02), ("first", 0.01)], ["first", "second"]),
    ],
    ids=["in the order in which they came", "a delayed job delays no other", "by their times"],
)
def test_jobs_are_done(jobs: list[tuple[str, float]], done: list[str]) -> None:
    log: list[str] = []
    do(queued(*jobs, log=log), len(done))
    assert log == done


def test_a_job_whose_time_has_come_goes_before_the_others() -> None:
    log: list[str] = []
    queue = queued(("its time has come", 0.01), *[("now", 0.0)] * 3, log=log)
    do(queue, 1)
    time.sleep(0.02)
    do(queue, 2)
    assert log == ["now", "its time has come", "now"]


def test_the_end_does_not_wait_for_jobs_of_later() -> None:
    queue = queued(("later", 3600.0), log=[])
    queue.end()
    assert queue.take() is None
