"""What drains our queue in one worker of a shop."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from breakwall.broker.config import QUEUE
from breakwall.broker.connections.factory import client_app
from breakwall.broker.consuming.reader import QueueReader
from breakwall.broker.consuming.watchdog import Watchdog, WatchdogThread
from breakwall.broker.messages.strange import StrangeMessage
from breakwall.settings import Settings
from breakwall.urls.address import where
from breakwall.worker.runtime import Runtime
from breakwall.worker.startup.steps import BACKGROUND_STEPS, QueueStep

log = logging.getLogger("breakwall.worker")


@dataclass(frozen=True)
class AppPart:
    """Of an app, what our steps use."""

    breakwall: Runtime


@dataclass(frozen=True)
class WorkerPart:
    """Of a worker, what our steps use. The shop's event loop is not for us: its hub is left out."""

    app: AppPart
    hostname: str
    concurrency: int
    hub: None = None


class ShopWork:
    """The steps of our own worker, and a reader in place of its consumer. Nothing runs before `start`.

    ``name`` is the worker's node name; ``concurrency`` the number of payments at once.
    """

    def __init__(self, settings: Settings, name: str, concurrency: int) -> None:
        self._settings = settings
        self._runtime = Runtime(settings)
        self._worker = WorkerPart(AppPart(self._runtime), name, concurrency)
        self._steps: list[Any] = [step(self._worker) for step in BACKGROUND_STEPS]
        self._started: list[Any] = []
        self._reader: QueueReader | None = None
        self._watchdog: WatchdogThread | None = None

    def check(self) -> None:
        """Raise `SystemExit`, with the reason in the log, if the queue was declared by something else."""
        QueueStep(self._worker).start(self._worker)

    def submit(self, order_ids: Sequence[str], done: Callable[[], None]) -> None:
        """Work on the orders of a message; ``done`` as in `Drain.submit`."""
        self._runtime.drain.submit(order_ids, done)

    def set_aside(self, message: StrangeMessage) -> None:
        """Keep a strange message for an operator."""
        self._runtime.strange_messages.record(message)

    def start(self) -> None:
        for step in self._steps:
            step.start(self._worker)
            self._started.append(step)
        self._start_reader()
        log.info(
            "Breakwall drains %s at %s in this worker, payments at once: %d",
            *(QUEUE, where(self._settings.broker), self._worker.concurrency),
        )

    def ask_to_stop(self) -> None:
        """Take no more messages, and begin no more payments. Does not wait."""
        if self._reader is not None:
            self._reader.ask_to_stop()
        self._runtime.ask_drain_to_stop()

    def stop(self) -> None:
        """Wait for the payments in progress, give back everything else, and close what was opened."""
        self.ask_to_stop()
        while self._started:
            self._stop(self._started.pop())
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._reader is not None:
            self._reader.stop()
        self._runtime.close()

    def _start_reader(self) -> None:
        runtime = self._runtime
        self._reader = QueueReader(client_app(self._settings), runtime.intake, self.submit, self.set_aside)
        runtime.intake.on_change = self._reader.wake
        self._reader.start()
        self._watchdog = WatchdogThread(Watchdog(runtime.depth), self._reader)
        self._watchdog.start()

    def _stop(self, step: Any) -> None:
        try:
            step.stop(self._worker)
        except Exception:  # the others have to stop too
            log.exception("a step of Breakwall did not stop")
