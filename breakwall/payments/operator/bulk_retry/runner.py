"""Works on bulk retries, one after the other, at the rate of each; one process at a time, by a lease."""

import time
import uuid
from collections.abc import Callable, Generator
from contextlib import suppress

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock, seconds_between
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.operator_tables import BulkState
from breakwall.payments.fleet.leases import give_up_lease, take_lease
from breakwall.payments.operator.bulk_retry.batch import RetryBatch
from breakwall.payments.operator.bulk_retry.freezing import Freezing
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry

LEASE = "bulk_retries"
LEASE_SECONDS = (
    20.0  # After a death, with `MAX_WAIT` until somebody looks, another process takes over within 30 s.
)
MAX_WAIT = 5.0  # Seconds between two looks at the lease and the open bulk retries.
FOLLOWED_EVERY = 1.0  # Seconds between two looks at a bulk retry that another process works on.


class BulkRetryRunner:
    """Does what open bulk retries need. ``looks_up``: whether the payment service has a look-up.

    Safe to stop anywhere: the next process continues. Two that work for a moment share the orders. One without a rate
    has at most half of the database's time: after each transaction comes a pause for as long as that took. Not
    thread-safe. Every method raises `DatabaseUnavailableError`.
    """

    def __init__(
        self,
        database: Database,
        *,
        looks_up: bool = True,
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
        self._bulk_retries = BulkRetries(database, clock=clock)
        self._freezing = Freezing(database, clock)
        self._batch = RetryBatch(database, clock, looks_up=looks_up)

    def run_once(self) -> float:
        """Do one transaction of the oldest open bulk retry, if there is one and no other process works on it.

        Returns the seconds to wait before the next call.
        """
        bulk = self._bulk_retries.oldest_open()
        if bulk is None or not self._has_lease():
            return MAX_WAIT
        return self._step(bulk)

    def run(self, bulk_id: str) -> Generator[BulkRetry, None, None]:
        """Work on one bulk retry until it has ended. While another process works, follow what that does.

        Yields it after each transaction. Raises `BulkRetryNotFoundError`.
        """
        try:
            bulk = self._bulk_retries.get(bulk_id)
            while not bulk.has_ended:
                wait = self._step(bulk) if self._has_lease() else FOLLOWED_EVERY
                bulk = self._bulk_retries.get(bulk_id)
                yield bulk
                if not bulk.has_ended:
                    self._sleep(wait)
        finally:
            self.give_up()

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
