"""The jobs that were given to the slots and have not come back."""

from collections.abc import Callable
from queue import Empty
from typing import Protocol, TypeVar

from breakwall.worker.drain.jobs import Finished, Job, RecordAnswer, Result, Retry, Send

T = TypeVar("T")


class Queue(Protocol[T]):
    """What the exchange and the slots pass to each other, as `queue.SimpleQueue` does it."""

    def put(self, item: T, /) -> object: ...

    def get(self, block: bool = True, timeout: float | None = None, /) -> T: ...


class JobsInHand:
    """Gives jobs to the slots, and counts them. For the thread of the exchange."""

    def __init__(self, jobs: Queue[Job | None]) -> None:
        self._jobs = jobs
        self._calls: dict[str, Send | Retry] = {}
        self.number = 0

    @property
    def without_permit(self) -> int:
        """How many calls have no permit yet."""
        return sum(1 for job in self._calls.values() if not job.permitted.is_set)

    def give(self, job: Job) -> None:
        self.number += 1
        if not isinstance(job, RecordAnswer):
            self._calls[job.order_id] = job
        self._jobs.put(job)

    def came_back(self, result: Result) -> None:
        self._remove(result.order_id if isinstance(result, Finished) else result.job.order_id)

    def withdraw(self) -> list[Job]:
        """Take back what no slot has begun, except what is to be recorded."""
        return self._withdraw(lambda job: not isinstance(job, RecordAnswer))

    def withdraw_late(self, given_before: float) -> list[Job]:
        """Take back the attempts that were given before a moment and that no slot has begun to send."""

        def is_late(job: Job) -> bool:
            return isinstance(job, Send) and not job.permitted.is_set and job.given < given_before

        return self._withdraw(is_late) if any(map(is_late, self._calls.values())) else []

    def _withdraw(self, is_meant: Callable[[Job], bool]) -> list[Job]:
        withdrawn: list[Job] = []
        kept: list[Job] = []
        try:
            while (job := self._jobs.get(False)) is not None:
                (withdrawn if is_meant(job) else kept).append(job)
        except Empty:
            pass
        for job in kept:
            self._jobs.put(job)
        for job in withdrawn:
            self._remove(job.order_id)
        return withdrawn

    def _remove(self, order_id: str) -> None:
        self.number -= 1
        self._calls.pop(order_id, None)
