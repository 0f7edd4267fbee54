"""The Celery app: one task, and two steps in the life of a worker."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, bootsteps, signals
from celery.utils.log import get_task_logger
from celery.worker.request import Request

from breakwall.broker import TASK, BrokerNotStartedError, celery_config
from breakwall.crashpoints import reach
from breakwall.payments.database import DatabaseUnavailableError, SchemaError
from breakwall.settings import Settings
from breakwall.worker.dispatcher import DispatchLoop
from breakwall.worker.ending import hurry
from breakwall.worker.patience import be_patient
from breakwall.worker.runtime import Runtime

# A logger of its own: Celery formats a task's lines with the task's name and id.
task_log = get_task_logger("breakwall.worker.task")
log = logging.getLogger("breakwall.worker")

# One line for each request, beside ours for each order, would drown a worker's log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def create_app(settings: Settings) -> Celery:
    """Build the app that `celery -A worker worker` and `breakwall worker` run."""
    app = Celery("breakwall")
    app.conf.update(celery_config(settings))
    app.breakwall = Runtime(settings)
    app.steps["worker"].update({EmbeddedBrokerStep, DispatcherStep})
    app.task(name=TASK, bind=True, Request=RetryRequest)(retry_payment)
    return app


def retry_payment(task: Any, order_id: str) -> str | None:
    """Work on one queued order; the message carries its id and nothing else.

    A database that does not answer loses nothing: the order's row is untouched or its claim runs out,
    and the dispatcher publishes it again. So the message is done with either way.
    """
    runtime = task.app.breakwall
    try:
        status: str | None = runtime.patience.run(lambda: runtime.retrier.run(order_id))
    except (DatabaseUnavailableError, SchemaError) as error:
        task_log.warning("order %s is put off: %s", order_id, error)
        return None
    task_log.info("order %s: %s", order_id, status or "nothing to do")
    return status


class RetryRequest(Request):
    """A message being worked on. It is acknowledged when the work is done."""

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """At a second Ctrl-C, or SIGQUIT: leave the thread that charges alone, which cannot be killed."""
        self.task.app.breakwall.patience.end()
        hurry()

    _connection_errors: tuple[type[BaseException], ...]

    def acknowledge(self) -> None:
        reach("before", "acknowledge")
        # What kombu raises when the connection that brought the message was lost meanwhile. Celery runs the
        # acknowledgement in its event loop, where any error but a connection's ends the worker.
        self._connection_errors = (*self._connection_errors, AttributeError)
        super().acknowledge()
        reach("after", "acknowledge")


class EmbeddedBrokerStep(bootsteps.StartStopStep):
    """With no broker configured, run one (or share the one that another worker runs)."""

    def start(self, worker: Any) -> None:
        try:
            worker.app.breakwall.start_embedded_broker()
        except BrokerNotStartedError as error:
            # Celery would print a traceback for anything but an exit.
            log.critical("%s", error)
            raise SystemExit(1) from None

    def stop(self, worker: Any) -> None:
        """`close_runtime` stops it: the consumer still acknowledges after the steps have stopped."""


class DispatcherStep(bootsteps.StartStopStep):
    """Publish what is due, in a thread of the worker's main process: no second process is needed."""

    requires = (EmbeddedBrokerStep, "celery.worker.components:Pool", "celery.worker.components:Timer")
    loop: DispatchLoop | None = None

    def start(self, worker: Any) -> None:
        runtime = worker.app.breakwall
        chosen = runtime.settings.dispatch
        self.loop = DispatchLoop(
            runtime.dispatcher,
            interval=chosen.interval,
            batch=chosen.batch,
            report=log.warning,
            lacks=runtime.lacks,
        )
        be_patient(worker, runtime.lacks)
        self.loop.start()

    def stop(self, worker: Any) -> None:
        worker.app.breakwall.patience.end()
        if self.loop is not None:
            self.loop.ask_to_stop()
            self.loop.join(10)


@signals.worker_shutdown.connect
def close_runtime(sender: Any, **_: Any) -> None:
    """Close what the worker opened, after everything that uses it has stopped."""
    runtime = getattr(sender.app, "breakwall", None)
    if runtime is not None:
        runtime.close()
