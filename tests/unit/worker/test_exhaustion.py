"""A worker waits for what it lacks, and goes on."""

from __future__ import annotations

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from breakwall.host.exhaustion import Lacks
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker import exhaustion
from breakwall.worker.exhaustion import Patience, PatientExecutor


@pytest.fixture
def heard() -> list[str | None]:
    return []


@pytest.fixture
def lacks(heard: list[str | None]) -> Lacks:
    return Lacks(time.monotonic, hear=heard.append)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhaustion, "PAUSE", 0.001)


class Work:
    """Fails so often, then does it."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.tries = error, times, 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.times:
            raise self.error
        return "done"


def lacking() -> DatabaseUnavailableError:
    error = DatabaseUnavailableError("no memory")
    error.lack = "memory"
    return error


@pytest.mark.parametrize("error", [lacking(), OSError(errno.EMFILE, "no"), MemoryError()])
def test_work_is_tried_until_there_is_enough(lacks: Lacks, heard: list[str | None], error: Exception) -> None:
    work = Work(error, times=5)
    assert Patience(lacks).run(work) == "done"
    assert work.tries == 6
    assert len(heard) == 5


def test_it_is_let_go_in_the_end(lacks: Lacks) -> None:
    work = Work(MemoryError(), times=1000)
    with pytest.raises(MemoryError):
        Patience(lacks).run(work)
    assert work.tries == exhaustion.TRIES


@pytest.mark.parametrize("error", [DatabaseUnavailableError("is down"), ValueError("a bug")])
def test_any_other_error_is_not_waited_for(lacks: Lacks, error: Exception) -> None:
    work = Work(error, times=1)
    with pytest.raises(type(error)):
        Patience(lacks).run(work)
    assert work.tries == 1


def test_a_worker_that_ends_waits_no_longer(lacks: Lacks) -> None:
    patient = Patience(lacks)
    patient.end()
    work = Work(MemoryError(), times=1000)
    with pytest.raises(MemoryError):
        patient.run(work)
    assert work.tries == 1


class TestExecutor:
    def test_work_for_which_there_is_no_thread_is_done_once_there_is_one(
        self, lacks: Lacks, heard: list[str | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none_left(executor: Any) -> None:
            raise RuntimeError("can't start new thread")

        with PatientExecutor(2, lacks) as executor:
            with monkeypatch.context() as without:
                without.setattr(ThreadPoolExecutor, "_adjust_thread_count", none_left)
                future = executor.submit(lambda: "done")
                executor.grow()
                assert heard == ["threads", "threads"]
            executor.grow()
            assert future.result(30) == "done"

    def test_it_can_be_shut_down_by_who_interrupted_a_submit(self, lacks: Lacks) -> None:
        executor = PatientExecutor(1, lacks)
        ended = threading.Event()

        def interrupted() -> None:
            with executor._shutdown_lock:
                executor.shutdown()
                ended.set()

        threading.Thread(target=interrupted, daemon=True).start()
        assert ended.wait(30)
