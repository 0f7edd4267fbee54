"""A look at the broker's queue before a worker consumes from it."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from breakwall.broker import WrongQueueError, check_queue

log = logging.getLogger("breakwall.worker")

WRONG_SETTINGS = 2
"""The exit code: something has to be set right before a start makes sense."""


class QueueStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Do not start beside something else in the queue's place. A broker that does not answer is waited for."""

    def start(self, worker: Any) -> None:
        settings = worker.app.breakwall.settings
        if settings.embedded_broker:
            return
        try:
            check_queue(settings)
        except WrongQueueError as error:
            log.critical("%s.", error)
            raise SystemExit(WRONG_SETTINGS) from None
