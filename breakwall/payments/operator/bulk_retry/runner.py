"""Works on bulk retries, one after the other, at the rate of each; one process at a time, by a lease."""

import logging
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import suppress

from breakwall.log_throttle import throttled
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock, seconds_between
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.operator_tables import BulkState
from breakwall.payments.fleet.leases import give_up_lease, take_lease
from breakwall.payments.operator.bulk_retry.batch import RetryBatch
from breakwall.payments.operator.bulk_retry.freezing import Freezing
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.bulk_retry.waiting import LEASE

log = logging.getLogger("breakwall.worker")

LEASE_SECONDS = (
    20.0  # After a death, with `MAX_WAIT` until somebody looks, another process takes over within 30 s.
)
MAX_WAIT = 5.0  # Seconds between two looks at the lease and the open bulk retries.
MOST_OPEN = 50  # Of so many one is chosen.
AFTER_FAILURE = 60.0  # Seconds for which others come before one that failed.
FOLLOWED_EVERY = 1.0  # Seconds between two looks at a bulk retry that another process works on.


class BulkRetryRunner:
    """Does what open bulk retries need. ``gateway`` and ``looks_up`` are as in `RetryBatch`.

    Safe to stop anywhere: the next process continues. Two that work for a moment share the orders. One without a rate
    has at most half of the database's time: after each transaction comes a pause for as long as that took. Not
    thread-safe. Every method raises `DatabaseUnavailableError`.
    """

    def __init__(
        self,
        database: Database,
        *,
        looks_up: bool = True,
        gateway: str | None = None,
        clock: Clock = DATABASE_CLOCK,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sleep = sleep
        self._timer = timer
        self._id = uuid.uuid4().hex
        self._may_have_lease = False
        self._failed: dict[str, float] = {}  # By id, until when another one comes first.
        self._report = throttled(log.warning)
        self._bulk_retries = BulkRetries(database, clock=clock)
        self._freezing = Freezing(database, clock)
        self._batch = RetryBatch(database, clock, looks_up=looks_up, gateway=gateway)

    def run_once(self) -> float:
        """Do one transaction of an open bulk retry, if there is one and no other process works on them.

        Returns the seconds to wait before the next call. Raises what stops it; the next call takes another one.
        """
        bulk, wait = self._next()
        if bulk is None:
            self.give_up()  # What is left may be for another process.
            return wait
        if not self._has_lease():
            return MAX_WAIT
        try:
            return self._step(bulk)
        except Exception as error:
            self._put_off(bulk, error)
            raise

    def _next(self) -> tuple[BulkRetry | None, float]:
        """The oldest one that may go on now, and else the seconds until one may.

        A slow one holds up no other, and neither does one that fails, or whose other orders are another gateway's.
        """
        now, wait = self._timer(), MAX_WAIT
        for bulk in self._bulk_retries.open_ones(MOST_OPEN):
            if self._failed.get(bulk.id, now) > now:
                continue
            if self._batch.is_through(bulk):
                continue
            held = 0.0 if bulk.next_at is None else seconds_between(bulk.read_at, bulk.next_at)
            if held <= 0:
                return bulk, 0.0
            wait = min(wait, held)
        return None, wait

    def _put_off(self, bulk: BulkRetry, error: Exception) -> None:
        if isinstance(error, DatabaseUnavailableError):  # It may be this one's statement that takes too long.
            self._failed[bulk.id] = self._timer() + MAX_WAIT
            return
        self._failed[bulk.id] = self._timer() + AFTER_FAILURE
        self._report(f"bulk retry {bulk.id} could not go on, and is tried again: {type(error).__name__}")

    def run(self, bulk_id: str) -> Generator[BulkRetry, None, None]:
        """Work on one bulk retry until it has ended. While another process works, follow what that does.

        Yields it after each transaction. Raises `BulkRetryNotFoundError`.
        """
        try:
            bulk = self._bulk_retries.get(bulk_id)
            while not bulk.has_ended:
                mine = not self._batch.is_through(bulk) and self._has_lease()
                wait = self._step(bulk) if mine else FOLLOWED_EVERY
                bulk = self._bulk_retries.get(bulk_id)
                yield bulk
                if not bulk.has_ended:
                    if wait >= FOLLOWED_EVERY:
                        self.give_up()  # Others need not wait for a slow one.
                    self._sleep(wait)
        finally:
            self.give_up()

    def leaves_rest(self, bulk: BulkRetry) -> bool:
        """Whether all that is left of a bulk retry is for the workers of another gateway."""
        return self._batch.is_through(bulk)

    def give_up(self) -> None:
        """Let another process go on at once. Raises nothing: without it, one goes on in `LEASE_SECONDS`."""
        if not self._may_have_lease:
            return
        with suppress(DatabaseUnavailableError):
            self._database.write(
                lambda connection: give_up_lease(connection, self._clock, LEASE, self._id), name="bulk_lease"
            )
            self._may_have_lease = False

    def _has_lease(self) -> bool:
        self._may_have_lease = True  # Also if the commit is not confirmed.
        self._may_have_lease = self._database.write(
            lambda connection: take_lease(connection, self._clock, LEASE, self._id, seconds=LEASE_SECONDS),
            name="bulk_lease",
        )
        return self._may_have_lease

    def _step(self, bulk: BulkRetry) -> float:
        began = self._timer()
        if bulk.state is BulkState.COLLECTING:
            self._freezing.run_once(bulk)
            return self._timer() - began
        bulk = self._batch.run_once(bulk.id)
        if bulk.next_at is not None:
            return min(seconds_between(bulk.read_at, bulk.next_at), MAX_WAIT)
        return self._timer() - began
