"""Records what became of claimed deliveries: when each is tried again, and which are given up."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from breakwall.log_throttle import LogThrottle
from breakwall.payments.db.clock import Clock
from breakwall.payments.outcomes.channel import ENDLESS, FinishedDelivery
from breakwall.payments.outcomes.delivery_totals import DeliveryResult, add_deliveries
from breakwall.payments.outcomes.destination import Result
from breakwall.payments.outcomes.incident_reports import report_claim
from breakwall.payments.outcomes.outbox import recording
from breakwall.payments.outcomes.outbox.claiming import Claimed
from breakwall.payments.outcomes.schedule import delay_after, delay_after_hang
from breakwall.texts import visible

log = logging.getLogger("breakwall.outcomes")

MAX_ERROR = 500  # Characters of an error that are kept.


class DeliveryRecorder:
    """Its methods are parts of a transaction: first `record`, last `add_up`. For one thread.

    Args:
        endpoints: by destination, the digest of its address, if an address can be gone for good.
        jitter: from 0 to 1, see `schedule.delay_after`.
    """

    def __init__(
        self,
        clock: Clock,
        endpoints: Mapping[str, str | None],
        *,
        jitter: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._endpoints, self._jitter = clock, endpoints, jitter
        self._throttle = LogThrottle(monotonic)
        self._tries: Counter[tuple[str, DeliveryResult]] = Counter()  # Of this transaction.

    def record(self, connection: Connection, finished: Sequence[FinishedDelivery]) -> None:
        self._tries.clear()
        delivered = [one.claimed for one in finished if one.result is not None and one.result.delivered]
        for name, number in recording.record_delivered(connection, self._clock, delivered).items():
            self._tries[name, DeliveryResult.DELIVERED] += number
        untried = [(one.claimed, one.wait) for one in finished if one.result is None]
        recording.give_back(connection, self._clock, untried)
        for one in finished:
            if one.result is not None and not one.result.delivered:
                self._record_failure(connection, one.claimed, one.result)

    def give_up_spent(self, connection: Connection, claimed: Claimed) -> None:
        """No worker has come to record that its last tries failed; see `Claimed.is_spent`."""
        self._give_up(connection, claimed, "its last calls ended their worker, or were not recorded")

    def add_up(self, connection: Connection) -> None:
        """Count the tries that this transaction has recorded."""
        add_deliveries(connection, self._tries)

    def _record_failure(self, connection: Connection, claimed: Claimed, result: Result) -> None:
        error = _storable(result.error or "")
        delay = delay_after(claimed.tries, self._jitter(), result.retry_after)
        if result.hung and claimed.destination in ENDLESS:
            delay = delay_after_hang(2 if claimed.last_error == error else 1, self._jitter())
        if result.gone:
            self._record_gone(connection, claimed)
        if delay is None:
            self._give_up(connection, claimed, error)
        elif recording.record_failed(connection, self._clock, claimed, error, delay):
            self._tries[claimed.destination, DeliveryResult.FAILED] += 1
            self._log_failure(claimed.destination, result, error)

    def _log_failure(self, name: str, result: Result, error: str) -> None:
        if result.gone:
            return  # it is not tried again, and the incident is in the log
        if number := self._throttle.admit(f"{name} {error}"):
            more = "" if number == 1 else f" (and {number - 1:,} more like it)"
            log.warning("the %s did not take an outcome: %s%s; it is tried again", name, error, more)

    def _give_up(self, connection: Connection, claimed: Claimed, error: str) -> None:
        if not recording.record_given_up(connection, self._clock, claimed, error):
            return
        self._tries[claimed.destination, DeliveryResult.GIVEN_UP] += 1
        event = claimed.event
        tries = claimed.tries - claimed.is_spent
        detail = f"the {claimed.destination} did not take {event.type} in {tries} tries: {error}"
        advice = f"; `breakwall outcomes redeliver {event.id}` tries again"
        report_claim(connection, self._clock, claimed, detail + advice)

    def _record_gone(self, connection: Connection, claimed: Claimed) -> None:
        endpoint = self._endpoints[claimed.destination]
        if endpoint is None:
            return
        if not recording.mark_gone(connection, claimed.destination, endpoint):
            return
        detail = (
            f"the {claimed.destination} said that it is gone (HTTP 410), so nothing is sent to it, and outcomes wait: "
            f"configure another one, or `breakwall outcomes enable {claimed.destination}`"
        )
        report_claim(connection, self._clock, claimed, detail)


def _storable(error: str) -> str:
    """The error as every database takes it: one that cannot be stored would stop all that is recorded with it."""
    return visible(error)[:MAX_ERROR]
