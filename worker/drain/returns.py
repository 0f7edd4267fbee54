"""Gives orders back that are not sent now: undoes their attempts, defers them, or leaves them to other workers."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.retry_policy import deferral
from breakwall.worker.drain.jobs import Unsent
from breakwall.worker.drain.log import DrainLog

log = logging.getLogger("breakwall.worker")

T = TypeVar("T")


class Returns:
    """For the thread of the exchange. ``finish`` is called with the ids of orders on which the work is over for now."""

    def __init__(
        self,
        charger: Charger,
        due: DispatchQueue,
        drain_log: DrainLog,
        finish: Callable[[Sequence[str]], object],
    ) -> None:
        self._charger, self._ledger = charger, charger.ledger
        self._due = due
        self._log = drain_log
        self._finish = finish

    def undo(self, unsent: Sequence[Unsent]) -> None:
        """Undo attempts that were not sent: all of them refused by the breaker, or none.

        What it refused is due when it says so. Raises `DatabaseUnavailableError`: nothing is undone.
        """
        waits = [one.retry_after for one in unsent if one.retry_after is not None]
        if waits:
            self._undo(unsent, deferral(max(waits), self._charger.jitter()), deferred=True)
        elif unsent:
            self._undo(unsent, 0.0, deferred=False)

    def put_off(self, ids: Sequence[str], retry_after: float, why: str) -> None:
        """Nothing may be sent: defer orders that have not begun."""
        delay = deferral(retry_after, self._charger.jitter())
        deferred = self._attempt(lambda: self._ledger.defer_many(ids, delay), ids)
        if deferred:
            self._log.deferred(deferred, delay, why)

    def leave(self, ids: Sequence[str]) -> None:
        """The process ends: other workers may take orders that have not begun, at once."""
        self._attempt(lambda: self._due.give_back_due(ids), ids)

    def _undo(self, unsent: Sequence[Unsent], delay: float, *, deferred: bool) -> None:
        ids = [one.job.order_id for one in unsent]
        try:
            self._ledger.undo_attempts([one.job.attempt for one in unsent], delay, deferred=deferred)
        except DatabaseUnavailableError:
            raise
        except Exception:
            log.exception("attempts that were not sent could not be undone: their claims expire")
        else:
            self._log.deferred(ids, delay, "the breaker refuses calls" if deferred else "not sent in time")
        self._finish(ids)

    def _attempt(self, work: Callable[[], T], ids: Sequence[str]) -> T | None:
        """Do something with orders that have not begun, and finish them. A failure changes nothing."""
        try:
            return work()
        except DatabaseUnavailableError as error:
            log.warning("%d orders stay as they are: %s", len(ids), error)
        except Exception:
            log.exception("%d orders stay as they are", len(ids))
        finally:
            self._finish(ids)
        return None
