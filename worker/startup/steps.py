"""The steps that Celery runs when a worker starts and ends."""

import logging
from typing import Any

from celery import bootsteps, signals

from breakwall.broker.checks.run import check_queue
from breakwall.broker.embedded.folder import BrokerNotStartedError
from breakwall.broker.errors import WrongQueueError
from breakwall.worker.background.dispatch_loop import DispatchLoop
from breakwall.worker.exhaustion import replace_executor

log = logging.getLogger("breakwall.worker")

WRONG_SETTINGS = 2  # Exit code: a person has to correct something before another start makes sense.


class QueueStep(bootsteps.StartStopStep):
    """Refuse to start if the queue was declared differently. Celery waits for a broker that does not answer."""

    def start(self, worker: Any) -> None:
        settings = worker.app.breakwall.settings
        if settings.embedded_broker:
            return
        try:
            check_queue(settings)
        except WrongQueueError as error:
            _exit(f"{error}.", WRONG_SETTINGS)


class EmbeddedBrokerStep(bootsteps.StartStopStep):
    """Without a configured broker, run one, or use the one that another worker runs."""

    def start(self, worker: Any) -> None:
        try:
            worker.app.breakwall.start_embedded_broker()
        except BrokerNotStartedError as error:
            _exit(str(error), 1)

    def stop(self, worker: Any) -> None:
        """`close_runtime` stops it: the consumer still acknowledges after the steps have stopped."""


class DispatcherStep(bootsteps.StartStopStep):
    """Publish due orders from a thread of the worker: no second process is needed."""

    requires = (EmbeddedBrokerStep, "celery.worker.components:Pool", "celery.worker.components:Timer")
    loop: DispatchLoop | None = None

    def start(self, worker: Any) -> None:
        runtime = worker.app.breakwall
        runtime.slots = worker.concurrency
        replace_executor(worker, runtime.exhaustion)
        self.loop = runtime.dispatch_loop()
        self.loop.start()
        runtime.drain.start()

    def stop(self, worker: Any) -> None:
        worker.app.breakwall.exhaustion_retry.end()
        if self.loop is not None:
            self.loop.ask_to_stop()
            self.loop.join(10)
        worker.app.breakwall.stop_drain()


class HeartbeatStep(bootsteps.StartStopStep):
    """Start the heartbeat. `close_runtime` ends it, after the last order in progress."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        worker.app.breakwall.heartbeat.start(worker.hostname, worker.concurrency)


@signals.worker_shutdown.connect
def close_runtime(sender: Any, **_: Any) -> None:
    """Close what the worker opened, after all that uses it has stopped."""
    runtime = getattr(sender.app, "breakwall", None)
    if runtime is not None:
        runtime.close()


def _exit(reason: str, code: int) -> None:
    # For any other error Celery would print a traceback.
    log.critical("%s", reason)
    raise SystemExit(code) from None
