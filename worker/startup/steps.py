"""The steps that Celery runs when a worker starts and ends."""

import logging
from typing import Any

from celery import bootsteps, signals

from breakwall.broker.checks.run import check_queue
from breakwall.broker.embedded.folder import BrokerNotStartedError
from breakwall.broker.errors import WrongQueueError
from breakwall.settings import SettingsError
from breakwall.wiring import lease_seconds
from breakwall.worker.background.dispatch_loop import DispatchLoop
from breakwall.worker.control.released import ReleasedOrders
from breakwall.worker.intake import IntakeLoop

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


class TracingStep(bootsteps.StartStopStep):
    """Trace, if the settings say so. `close_runtime` ends it, after the last order."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        try:
            worker.app.breakwall.start_tracing()
        except SettingsError as error:
            _exit(str(error), WRONG_SETTINGS)


class DrainStep(bootsteps.StartStopStep):
    """Run the drain and the gate before it, from before the first message until after the last."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Timer")
    loop: IntakeLoop | None = None

    def start(self, worker: Any) -> None:
        runtime = worker.app.breakwall
        try:
            _ = runtime.charger
        except SettingsError as error:
            _exit(str(error), WRONG_SETTINGS)
        runtime.slots = worker.concurrency
        runtime.drain_state.start()
        if worker.hub is not None:
            runtime.done_messages.call_soon = worker.hub.call_soon
        self.loop = runtime.intake_loop()
        self.loop.start()
        runtime.drain.start()

    def stop(self, worker: Any) -> None:
        if self.loop is not None:
            self.loop.stop()
            worker.app.breakwall.stop_drain()

    # After a second Ctrl-C too: a call in hand cannot be taken back.
    terminate = stop


class DispatcherStep(bootsteps.StartStopStep):
    """Publish due orders, and work on released ones, from threads of the worker: no second process is needed."""

    requires = (EmbeddedBrokerStep, DrainStep)
    loop: DispatchLoop | None = None
    released: ReleasedOrders | None = None

    def start(self, worker: Any) -> None:
        runtime = worker.app.breakwall
        self.loop = runtime.dispatch_loop()
        self.loop.start()
        self.released = runtime.released_orders()
        self.released.start()

    def stop(self, worker: Any) -> None:
        runtime = worker.app.breakwall
        runtime.exhaustion_retry.end()
        runtime.ask_drain_to_stop()
        if self.loop is not None and self.released is not None:
            self.loop.ask_to_stop()
            self.released.ask_to_stop()
            runtime.drain_state.ask_to_stop()
            self.loop.join(10)
            # A call in hand ends by its timeout, as those of the pool do.
            self.released.join(lease_seconds(runtime.settings))


class HeartbeatStep(bootsteps.StartStopStep):
    """Start the heartbeat, and what counts, samples and works in the background. `close_runtime` ends them."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        worker.app.breakwall.heartbeat.start(worker.hostname, worker.concurrency)
        worker.app.breakwall.backlog_counter.start()
        worker.app.breakwall.bulk_retries.start()
        worker.app.breakwall.sampler.start()


class OutcomeStep(bootsteps.StartStopStep):
    """Deliver outcomes to the shop, if a way is configured. `close_runtime` ends it, after the last order."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        runtime = worker.app.breakwall
        try:
            deliverers = (runtime.outcome_loop, runtime.outcome_process)
        except SettingsError as error:
            _exit(str(error), WRONG_SETTINGS)
        for one in deliverers:
            if one is not None:
                one.start()


# What a worker runs beside its consumer, in the order of starting; the end is in the reverse order. Each starts and
# stops by itself: one more is a line here, for our own worker and for a shop's (`worker.shop`).
BACKGROUND_STEPS = (TracingStep, DrainStep, DispatcherStep, HeartbeatStep, OutcomeStep)


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
