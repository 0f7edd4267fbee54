"""Runs the dispatcher in a thread of its own."""

import threading
import time
from collections.abc import Callable

from breakwall.host.exhaustion import ResourceExhaustion, exhausted_resource
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.worker.dispatcher import Dispatcher

# Seconds between two runs while orders drain. 64 slots at 20 ms work on 640 orders in that time, so the default window
# of 1,000 is enough for them.
SOON = 0.2


class DispatchLoop:
    """Runs a dispatcher every ``interval`` seconds until it is stopped; every `SOON` while there are orders to publish.

    After a full batch it runs at once.

    A run that fails is reported: to ``exhaustion`` if a resource is exhausted, else to ``report`` with a sentence.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        interval: float,
        batch: int,
        report: Callable[[str], None],
        exhaustion: ResourceExhaustion,
        after_run: Callable[[], None] = lambda: None,
    ) -> None:
        self._dispatcher = dispatcher
        self._interval = interval
        self._batch = batch
        self._report = report
        self._after_run = after_run
        self._exhaustion = exhaustion
        self._database_lost_at: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End the loop after the present run; does not wait for it."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait until the loop has ended, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped.is_set():
            full = self._run_once() >= self._batch
            self._after_run()
            soon = min(SOON, self._interval) if self._dispatcher.is_draining else self._interval
            self._stopped.wait(0 if full else soon)

    def _run_once(self) -> int:
        try:
            sent = self._dispatcher.run_once()
        except DatabaseUnavailableError as error:
            if self._database_lost_at is None:
                self._database_lost_at = time.monotonic()
            self._report_failure(str(error), error)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self._report_failure(f"the dispatcher failed and continues: {what}", error)
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
            lasted, self._database_lost_at = time.monotonic() - self._database_lost_at, None
            self._report(f"the orders database answers again, after {lasted:,.0f} s")
