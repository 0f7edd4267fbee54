"""The Celery app and its one task, which works on the orders that a message names."""

import logging
import threading
from typing import Any

from celery import Celery

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.broker.config import TASK
from breakwall.broker.consuming.watchdog import WatchdogStep
from breakwall.broker.messages.order_message import ids_in
from breakwall.settings import Settings
from breakwall.worker.log import setup as _log_setup  # noqa: F401 - connects to Celery's signals
from breakwall.worker.message import RetryRequest
from breakwall.worker.runtime import Runtime
from breakwall.worker.startup.steps import DispatcherStep, EmbeddedBrokerStep, HeartbeatStep, QueueStep

# One line for each HTTP request, beside ours for each order, would fill the log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def create_app(settings: Settings) -> Celery:
    """Build the app that `celery -A worker worker` and `breakwall worker` run."""
    app = IsolatedCelery(settings, current=True)
    app.breakwall = Runtime(settings)
    app.on_strange_message = app.breakwall.strange_messages.record
    app.steps["worker"].update({QueueStep, EmbeddedBrokerStep, DispatcherStep, HeartbeatStep})
    app.steps["consumer"].add(WatchdogStep)
    app.task(name=TASK, bind=True, Request=RetryRequest)(retry_payment)
    return app


def retry_payment(task: Any, named: object, *later: Any, **also: Any) -> str:
    """Hand the orders that the message names to the drain, and wait until each is settled or put off.

    ``later`` and ``also`` take what a later version may add to the message; the order's row has all that is needed.
    """
    order_ids = ids_in(named)
    done = threading.Event()
    task.app.breakwall.drain.submit(order_ids, done.set)
    done.wait()
    return "1 order" if len(order_ids) == 1 else f"{len(order_ids)} orders"
