"""In which order the thread of a store does its jobs."""

from __future__ import annotations

import queue
import time

from breakwall.breaker.agenda import Agenda, Job, Jobs


def job(log: list[str], name: str) -> Job:
    return lambda: log.append(name)


def agenda(*jobs: tuple[float, Job] | None) -> Agenda:
    waiting: Jobs = queue.SimpleQueue()
    for work in jobs:
        waiting.put(None if work is None else (*work, lambda: None))
    return Agenda(waiting)


def do(agenda: Agenda, count: int) -> None:
    for _ in range(count):
        work = agenda.next()
        assert work is not None
        work[0]()


def test_jobs_of_now_go_in_the_order_in_which_they_came() -> None:
    log: list[str] = []
    do(agenda((0.0, job(log, "first")), (0.0, job(log, "second"))), 2)
    assert log == ["first", "second"]


def test_a_job_of_later_holds_nobody_up() -> None:
    log: list[str] = []
    do(agenda((time.monotonic() + 3600, job(log, "later")), (0.0, job(log, "now"))), 1)
    assert log == ["now"]


def test_jobs_of_later_go_when_their_time_has_come() -> None:
    log: list[str] = []
    now = time.monotonic()
    do(agenda((now + 0.02, job(log, "second")), (now + 0.01, job(log, "first"))), 2)
    assert log == ["first", "second"]
    assert time.monotonic() >= now + 0.02


def test_a_job_whose_time_has_come_goes_before_those_of_now() -> None:
    log: list[str] = []
    now = time.monotonic()
    busy = agenda((now + 0.01, job(log, "its time has come")), *[(0.0, job(log, "now"))] * 3)
    do(busy, 1)
    while time.monotonic() < now + 0.01:
        pass
    do(busy, 2)
    assert log == ["now", "its time has come", "now"]


def test_the_end_does_not_wait_for_jobs_of_later() -> None:
    assert agenda((time.monotonic() + 3600, lambda: None), None).next() is None
