"""The Celery app: one task, and two steps in the life of a worker."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, bootsteps, signals
from celery.utils.log import get_task_logger
from celery.worker.request import Request
from celery.worker.state import revoked as revoked_tasks

from breakwall.broker import TASK, BrokerNotStartedError
from breakwall.broker.celery_app import OwnApp
from breakwall.broker.consuming.watchdog import WatchStep
from breakwall.broker.message_forms import ids_in
from breakwall.crashpoints import reach
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.settings import Settings
from breakwall.worker import logs as _logs
from breakwall.worker.dispatcher import DispatchLoop
from breakwall.worker.exhaustion import be_patient
from breakwall.worker.outcome_log import NOTHING
from breakwall.worker.queue_check import QueueStep
from breakwall.worker.runtime import Runtime
from breakwall.worker.shutdown import hurry

# A logger of its own: Celery formats a task's lines with the task's name and id.
task_log = get_task_logger("breakwall.worker.task")
log = logging.getLogger("breakwall.worker")

# One line for each request, beside ours for each order, would drown a worker's log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def create_app(settings: Settings) -> Celery:
    """Build the app that `celery -A worker worker` and `breakwall worker` run."""
    app = OwnApp(settings, current=True)
    app.breakwall = Runtime(settings)
    app.on_strange_message = app.breakwall.strange.put
    app.steps["worker"].update({QueueStep, EmbeddedBrokerStep, DispatcherStep, HeartbeatStep})
    app.steps["consumer"].add(WatchStep)
    app.task(name=TASK, bind=True, Request=RetryRequest)(retry_payment)
    return app


def retry_payment(task: Any, named: object, *later: Any, **also: Any) -> str | list[str]:
    """Work on the queued order whose id the message carries, or on each of a list; returns what became of it, in words.

    What a later version may add (``later``, ``also``) is passed over: the order's row has all that counts.
    """
    if isinstance(named, str):
        return _work_on(task, named)
    told, errors = [], []
    for order_id in ids_in(named):
        try:
            told.append(_work_on(task, order_id))
        except Exception as error:
            # The others are worked on nevertheless; this one's claim runs out.
            task_log.exception("order %s failed", order_id)
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"{len(errors)} of {len(errors) + len(told)} orders failed", errors)
    return told


def _work_on(task: Any, order_id: str) -> str:
    """Work on one order.

    A database that does not answer loses nothing: the order's row is untouched or its claim runs out,
    and the dispatcher publishes it again. So the message is done with either way.
    """
    runtime = task.app.breakwall
    try:
        told: str = runtime.patience.run(lambda: runtime.telling.tell(order_id, runtime.retrier.run))
        if told != NOTHING:
            runtime.heartbeat.busy()
    except DatabaseUnavailableError as error:
        task_log.warning("order %s is put off: %s", order_id, error)
        return "put off: the database does not answer"
    return told


class RetryRequest(Request):
    """A message being worked on. It is acknowledged when the work is done."""

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """At a second Ctrl-C, or SIGQUIT: leave the thread that charges alone, which cannot be killed."""
        self.task.app.breakwall.patience.end()
        hurry()

    _connection_errors: tuple[type[BaseException], ...]

    def acknowledge(self) -> None:
        reach("before", "acknowledge")
        # Whatever kombu raises where the connection that brought the message was lost meanwhile, or where the
        # broker refuses: the message comes again, and there is nothing to claim.
        self._connection_errors = (Exception,)
        super().acknowledge()
        reach("after", "acknowledge")

    def revoked(self) -> bool:
        """Never. An order ends in the database or not at all, and a message of it would only come again.

        Celery remembers what was revoked for three hours, and each order's messages have the order's id.
        """
        if self.id in revoked_tasks:
            log.warning(
                "order %s is worked on although somebody revoked it: `breakwall orders cancel` ends it",
                self.id,
            )
            revoked_tasks.discard(self.id)
        return False

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Nothing: a thread cannot be ended, and a charge that was sent not taken back."""


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
            report=_logs.AtMostOnceAMinute(log.warning),
            lacks=runtime.lacks,
            after_look=runtime.backlog_log.look,
        )
        be_patient(worker, runtime.lacks)
        self.loop.start()

    def stop(self, worker: Any) -> None:
        worker.app.breakwall.patience.end()
        if self.loop is not None:
            self.loop.ask_to_stop()
            self.loop.join(10)


class HeartbeatStep(bootsteps.StartStopStep):
    """Tell the database that this worker is alive; `close_runtime` ends it, after the last order in hand."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        worker.app.breakwall.heartbeat.start(worker.hostname, worker.concurrency)


@signals.worker_shutdown.connect
def close_runtime(sender: Any, **_: Any) -> None:
    """Close what the worker opened, after everything that uses it has stopped."""
    runtime = getattr(sender.app, "breakwall", None)
    if runtime is not None:
        runtime.close()
