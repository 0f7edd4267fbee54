"""The Celery app and its one task, which works on the orders that a message names."""

import logging
from typing import Any

from celery import Celery

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.broker.config import TASK
from breakwall.broker.consuming.watchdog import WatchdogStep
from breakwall.settings import Settings
from breakwall.worker.log import setup as _log_setup  # noqa: F401 - connects to Celery's signals
from breakwall.worker.message import message_handler
from breakwall.worker.runtime import Runtime
from breakwall.worker.startup.steps import (
    DispatcherStep,
    DrainStep,
    EmbeddedBrokerStep,
    HeartbeatStep,
    OutcomeStep,
    QueueStep,
)

# One line for each HTTP request, beside ours for each order, would fill the log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def create_app(settings: Settings) -> Celery:
    """Build the app that `celery -A worker worker` and `breakwall worker` run."""
    app = IsolatedCelery(settings, current=True)
    app.breakwall = Runtime(settings)
    app.on_strange_message = app.breakwall.strange_messages.record
    app.steps["worker"].update(
        {QueueStep, EmbeddedBrokerStep, DispatcherStep, DrainStep, HeartbeatStep, OutcomeStep}
    )
    app.steps["consumer"].add(WatchdogStep)
    app.task(name=TASK, bind=True, Strategy=f"{message_handler.__module__}:{message_handler.__name__}")(
        retry_payment
    )
    return app


def retry_payment(*_: Any, **__: Any) -> None:
    """Never runs, but Celery needs a function for a task: `message_handler` hands each message to the drain."""
    raise NotImplementedError
