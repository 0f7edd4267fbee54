"""Runs the dispatcher in a thread of its own."""

import threading
import time
from collections.abc import Callable

from breakwall.host.exhaustion import ResourceExhaustion, exhausted_resource
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker.dispatcher import Dispatcher


class DispatchLoop:
    """Repeats a dispatcher's look until it is stopped.

    Args:
        dispatcher: what to run.
        interval: seconds between two looks; after a full batch the next look follows at once.
        batch: how many orders are a full batch.
        report: called with a sentence when a look fails, and when the database answers again.
        exhaustion: called instead when the look failed for want of a resource.
        after_look: called after each look.
        monotonic: seconds, to measure how long the database was away.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        interval: float,
        batch: int,
        report: Callable[[str], None],
        exhaustion: ResourceExhaustion,
        after_look: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dispatcher = dispatcher
        self._interval = interval
        self._batch = batch
        self._report = report
        self._after_look = after_look
        self._exhaustion = exhaustion
        self._monotonic = monotonic
        self._database_lost_at: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End the loop after the present look; does not wait for it."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait until the loop has ended, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            full = self._look() >= self._batch
            self._after_look()
            self._stopped.wait(0 if full else self._interval)

    def _look(self) -> int:
        try:
            sent = self._dispatcher.run_once()
        except DatabaseUnavailableError as error:
            if self._database_lost_at is None:
                self._database_lost_at = self._monotonic()
            self._report_failure(str(error), error)
        except Exception as error:
            self._report_failure(f"the dispatcher failed and goes on: {type(error).__name__}: {error}", error)
        else:
            self._report_recovery()
            self._exhaustion.report_success()
            return sent
        return 0

    def _report_failure(self, sentence: str, error: Exception) -> None:
        resource = exhausted_resource(error)
        if resource is None:
            self._report(sentence)
        else:
            self._exhaustion.report(resource)

    def _report_recovery(self) -> None:
        if self._database_lost_at is not None:
            lasted, self._database_lost_at = self._monotonic() - self._database_lost_at, None
            self._report(f"the orders database answers again, after {lasted:,.0f} s")
