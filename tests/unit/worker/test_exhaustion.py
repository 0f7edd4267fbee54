"""A worker waits while a resource is exhausted, and then continues."""

from __future__ import annotations

import errno
import time

import pytest

from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker import exhaustion
from breakwall.worker.exhaustion import ExhaustionRetry


@pytest.fixture
def reported() -> list[str | None]:
    return []


@pytest.fixture
def exhausted(reported: list[str | None]) -> ResourceExhaustion:
    return ResourceExhaustion(time.monotonic, on_change=reported.append)


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
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


def out_of_memory() -> DatabaseUnavailableError:
    error = DatabaseUnavailableError("no memory")
    error.lack = "memory"
    return error


@pytest.mark.parametrize("error", [out_of_memory(), OSError(errno.EMFILE, "no"), MemoryError()])
def test_work_is_retried_while_a_resource_is_exhausted(
    exhausted: ResourceExhaustion, reported: list[str | None], error: Exception
) -> None:
    work = Work(error, times=5)
    assert ExhaustionRetry(exhausted).run(work) == "done"
    assert work.tries == 6
    assert len(reported) == 5


def test_after_many_tries_work_is_given_up(exhausted: ResourceExhaustion) -> None:
    work = Work(MemoryError(), times=1000)
    with pytest.raises(MemoryError):
        ExhaustionRetry(exhausted).run(work)
    assert work.tries == exhaustion.TRIES


@pytest.mark.parametrize("error", [DatabaseUnavailableError("is down"), ValueError("a bug")])
def test_any_other_error_is_raised_at_once(exhausted: ResourceExhaustion, error: Exception) -> None:
    work = Work(error, times=1)
    with pytest.raises(type(error)):
        ExhaustionRetry(exhausted).run(work)
    assert work.tries == 1


def test_a_worker_that_ends_waits_no_longer(exhausted: ResourceExhaustion) -> None:
    retry = ExhaustionRetry(exhausted)
    retry.end()
    work = Work(MemoryError(), times=1000)
    with pytest.raises(MemoryError):
        retry.run(work)
    assert work.tries == 1
