"""The Celery app and its one task, which works on the orders that a message names."""

import functools
import logging
from typing import Any

from celery import Celery
from celery.utils.log import get_task_logger

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.broker.config import TASK
from breakwall.broker.consuming.watchdog import WatchdogStep
from breakwall.broker.messages.order_message import ids_in
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.settings import Settings
from breakwall.worker.log import setup as _log_setup  # noqa: F401 - connects to Celery's signals
from breakwall.worker.message import message_handler
from breakwall.worker.runtime import Runtime
from breakwall.worker.startup.steps import (
    DispatcherStep,
    DrainStep,
    EmbeddedBrokerStep,
    HeartbeatStep,
    QueueStep,
)

task_log = get_task_logger("breakwall.worker.task")  # Celery adds the task's name and id to its lines.

# One line for each HTTP request, beside ours for each order, would fill the log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def create_app(settings: Settings) -> Celery:
    """Build the app that `celery -A worker worker` and `breakwall worker` run."""
    app = IsolatedCelery(settings, current=True)
    app.breakwall = Runtime(settings)
    app.on_strange_message = app.breakwall.strange_messages.record
    app.work_on_released = functools.partial(work_on, app.breakwall, released=True)
    app.steps["worker"].update({QueueStep, EmbeddedBrokerStep, DispatcherStep, DrainStep, HeartbeatStep})
    app.steps["consumer"].add(WatchdogStep)
    app.task(name=TASK, bind=True, Strategy=f"{message_handler.__module__}:{message_handler.__name__}")(
        retry_payment
    )
    return app


def retry_payment(task: Any, named: object, *later: Any, **also: Any) -> str | list[str]:
    """Work on the order that the message names, or on each of a list. Returns each outcome as a text.

    ``later`` and ``also`` take what a later version may add to the message; the order's row has all that is needed.
    Raises `ExceptionGroup` if orders of a list failed; all of the list were tried.
    """
    runtime = task.app.breakwall
    if isinstance(named, str):
        return work_on(runtime, named)
    outcomes, errors = [], []
    for order_id in ids_in(named):
        try:
            outcomes.append(work_on(runtime, order_id))
        except Exception as error:
            # The others come next. This order's claim expires.
            task_log.exception("order %s failed", order_id)
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"{len(errors)} of {len(errors) + len(outcomes)} orders failed", errors)
    return outcomes


def work_on(runtime: Runtime, order_id: str, **how: bool) -> str:
    """Work on an order and log the outcome, which is returned as a text. ``how`` is for `Retrier.run`."""
    started = runtime.monotonic()
    try:
        status = runtime.exhaustion_retry.run(lambda: runtime.retrier.run(order_id, **how))
    except DatabaseUnavailableError as error:
        # Nothing is lost if the message is acknowledged: the order's row is unchanged, or its claim expires. Then
        # the dispatcher republishes the order.
        task_log.warning("order %s is deferred: %s", order_id, error)
        return "deferred: the database does not answer"
    if status is not None:
        runtime.heartbeat.mark_busy()
    return runtime.order_log.write(order_id, status, runtime.monotonic() - started)
