"""The Celery apps of shops in this process whose workers drain our queue, see `breakwall.worker.add_to`."""

import logging
import weakref
from typing import Any

from breakwall.settings import PREFIX, Settings

log = logging.getLogger("breakwall.broker")

_apps: weakref.WeakSet[Any] = weakref.WeakSet()

_WARNING = (
    f"{PREFIX}BROKER_URL is not set: the workers of this process's Celery app read the app's own broker, and this "
    "producer publishes to another one, so that a queued order waits longer. Set it, or build the producer from the "
    "settings() of what add_to returned"
)


def remember(app: Any) -> None:
    """The workers of this app drain our queue."""
    _apps.add(app)


def warn_of_another_broker(settings: Settings) -> None:
    """Log a warning if a producer with these settings would publish where no worker of this process's apps reads."""
    if settings.embedded_broker and _apps:
        log.warning("%s", _WARNING)
