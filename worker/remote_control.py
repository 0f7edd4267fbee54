"""What `celery control` and Flower may have a worker do. What would leave it idle, or does nothing, is refused.

The answer to those would be "ok": a worker that was told to consume no more stays alive, and nobody else would know
why orders wait.
"""

from __future__ import annotations

import functools
from typing import Any

from celery.app.control import Control
from kombu.pidbox import Mailbox

from breakwall.broker import QUEUE

_ONE_QUEUE = f"a worker drains one queue, {QUEUE}, and nothing else: to have it rest, stop it (SIGTERM)"
_FIXED = "the number of threads is fixed: start the worker with another --concurrency"

REFUSED = {
    "add_consumer": _ONE_QUEUE,
    "autoscale": _FIXED,
    "cancel_consumer": _ONE_QUEUE,
    "pool_grow": _FIXED,
    "pool_restart": _FIXED,
    "pool_shrink": _FIXED,
    "rate_limit": "it would not be obeyed: the circuit and --concurrency bound the calls to the payment service",
    "time_limit": "a thread cannot be ended: BREAKWALL_PAYMENT_TIMEOUT bounds each call to the payment service",
}
"""By Celery's own names, each with the reason that it is answered with."""


def _refuse(why: str, state: object, **_: object) -> dict[str, str]:
    return {"error": f"refused: {why}"}


class OwnMailbox(Mailbox):
    """Celery's, without what is refused."""

    def Node(  # noqa: N802 - kombu's name
        self, hostname: Any = None, state: Any = None, channel: Any = None, handlers: Any = None
    ) -> Any:
        ours = {name: functools.partial(_refuse, why) for name, why in REFUSED.items()}
        return super().Node(hostname, state, channel, {**(handlers or {}), **ours})  # type: ignore[no-untyped-call]


class OwnControl(Control):  # type: ignore[misc]  # Celery has no types
    """Celery's, with our mailbox."""

    Mailbox = OwnMailbox
