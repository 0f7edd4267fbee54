"""What `celery control`, `celery inspect` and Flower may have a worker do: tell of itself, and nothing else.

Whoever reaches the broker can write there, a shop's own `celery control shutdown` beside ours, too. So what would
end a worker, keep it from its queue or change it is refused with the way that there is for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from celery.worker.consumer.control import Control
from celery.worker.control import Panel, nok
from celery.worker.pidbox import Pidbox
from celery.worker.state import revoked

from breakwall.broker.messages import StrangeError, StrangeMessage, read_command

log = logging.getLogger("breakwall.broker")

Handler = Callable[..., Any]

LONGEST_ID = 128

SILENCE = 60.0
"""Seconds between two lines about the same command."""

TELL = frozenset(
    {
        "active",
        "active_queues",
        "clock",
        "conf",
        "disable_events",
        "dump_active",
        "dump_conf",
        "dump_reserved",
        "dump_revoked",
        "dump_schedule",
        "dump_tasks",
        "enable_events",
        "heartbeat",
        "hello",
        "memdump",
        "memsample",
        "ping",
        "query_task",
        "registered",
        "report",
        "reserved",
        "revoked",
        "scheduled",
    }
)
"""Celery's own commands that change no work."""

_THREADS = "the number of threads is fixed: start the worker with another --concurrency"
_ONE_QUEUE = "a worker drains one queue and nothing else: to have it rest, stop it (SIGTERM)"
_NO_END = "an order ends by `breakwall orders cancel`, not by its message; it is worked on"
_LIMITS = "a thread cannot be ended: BREAKWALL_PAYMENT_TIMEOUT bounds each call to the payment service"

REASONS = {
    "add_consumer": _ONE_QUEUE,
    "autoscale": _THREADS,
    "cancel_consumer": _ONE_QUEUE,
    "pool_grow": _THREADS,
    "pool_restart": "there are no child processes: restart the worker",
    "pool_shrink": _THREADS,
    "rate_limit": "the circuit and --concurrency bound the calls to the payment service",
    "revoke": _NO_END,
    "revoke_by_stamped_headers": _NO_END,
    "shutdown": "a worker is ended by SIGTERM, where it runs",
    "terminate": _NO_END,
    "time_limit": _LIMITS,
}
UNKNOWN = "it is not one that Breakwall was tested with"

OF_THE_BROKER = ("transport", "hostname", "port", "virtual_host", "userid", "heartbeat", "connect_timeout")
"""What `stats` tells of it. The rest holds the sentinels' password, or is nothing that can be sent."""


RESOURCE_LOCKED = 405

NAME_TAKEN = (
    "another worker has the name {name}, so that `celery inspect` and Flower do not reach this one; "
    "--hostname gives it its own"
)


class NameTakenError(Exception):
    """Two workers of one broker have the same name; the message says what to do."""


class RemoteStep(Control):  # type: ignore[misc]  # Celery has no types
    """In place of Celery's own."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.box = Box(consumer)
        self.start, self.stop, self.shutdown = self.box.start, self.box.stop, self.box.shutdown


class Box(Pidbox):  # type: ignore[misc]  # Celery has no types
    """Celery's, in which no message ends in a traceback."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self.node.handlers = Handlers()

    def start(self, c: Any) -> None:
        """Go on without it where the broker refuses what it needs: messages are worked on all the same."""
        try:
            super().start(c)
        except c.connection.channel_errors as error:
            # RabbitMQ keeps a name's commands for one; so does a lost connection that it has not noticed yet.
            taken = getattr(error, "reply_code", None) == RESOURCE_LOCKED
            c.complained(NameTakenError(NAME_TAKEN.format(name=self.hostname)) if taken else error)

    def on_message(self, body: Any, message: Any) -> None:
        self._forward_clock()
        try:
            command = read_command(body, message.headers, self.node.mailbox.reply_exchange.name)
        except StrangeError as error:
            self.c.set_aside(StrangeMessage(str(error), message.headers, message.body))
            return
        self._obey(command, message)

    def _obey(self, command: dict[str, Any], message: Any) -> None:
        try:
            self.node.handle_message(command, message)
        except Exception as error:
            # Most often the asker has gone. A lost connection is told by who reads from it.
            log.info("a command of `celery control` could not be answered (%s)", type(error).__name__)
            self.reset()


class Handlers(dict[str, Handler]):
    """By a command's name, and for every other one a refusal. None of them raises."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__({name: _safe(Panel.data[name]) for name in TELL})
        self["stats"] = _safe(_stats)
        self._clock = clock
        self._silent_until: dict[str, float] = {}

    def __missing__(self, name: str) -> Handler:
        def refuse(state: Any, /, **arguments: Any) -> Mapping[str, str]:
            # Whoever works on such an order says so (`breakwall.worker.app.RetryRequest`).
            if name in {"revoke", "terminate"}:
                _note_revoked(arguments.get("task_id"))
            reason = REASONS.get(name, UNKNOWN)
            self._tell(name if name in REASONS else "an unknown command", reason)
            refused: Mapping[str, str] = nok(f"refused: {reason}")
            return refused

        return refuse

    def _tell(self, name: str, reason: str) -> None:
        now = self._clock()
        if now >= self._silent_until.get(name, now):
            self._silent_until[name] = now + SILENCE
            log.warning("refused %s of `celery control` or Flower: %s", name, reason)


def _safe(handler: Handler) -> Handler:
    def answer(state: Any, /, **arguments: Any) -> Any:
        try:
            return handler(state, **arguments)
        except Exception as error:  # arguments that it does not take
            return nok(f"it failed: {type(error).__name__}")

    return answer


def _stats(state: Any, **_: Any) -> Any:
    told = state.consumer.controller.stats()
    broker = told.get("broker")
    if isinstance(broker, dict):
        told["broker"] = {name: broker.get(name) for name in OF_THE_BROKER}
    return told


def _note_revoked(named: object) -> None:
    ids = named if isinstance(named, list) else [named]
    revoked.update(one for one in ids if isinstance(one, str) and len(one) <= LONGEST_ID)
