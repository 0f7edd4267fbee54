"""What `celery control`, `celery inspect` and Flower can have a worker do: show its state.

Every program that reaches the broker can send commands, for example a shop's `celery control shutdown`. A command that
would stop or change a worker is refused, and the refusal says what to do instead.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from celery.worker.consumer.control import Control
from celery.worker.control import Panel, nok
from celery.worker.pidbox import Pidbox
from celery.worker.state import revoked
from kombu.messaging import Producer

from breakwall.broker.messages.command import read_command
from breakwall.broker.messages.strange import StrangeError, StrangeMessage
from breakwall.log_throttle import LogThrottle

log = logging.getLogger("breakwall.broker")

Handler = Callable[..., Any]

MAX_ID = 128  # Characters.

# Celery's commands that change no work.
SHOWING = """
active active_queues clock conf disable_events dump_active dump_conf dump_reserved dump_revoked
dump_schedule dump_tasks enable_events heartbeat hello memdump memsample ping query_task registered report
reserved revoked scheduled
""".split()

_THREADS = "the number of threads is fixed: start the worker with another --concurrency"
_ONE_QUEUE = "a worker consumes one queue only. To pause it, stop it with SIGTERM"
_NO_END = "to cancel an order, use `breakwall orders cancel`; its message is processed all the same"
_LIMITS = "a thread cannot be stopped: BREAKWALL_PAYMENT_TIMEOUT bounds each call to the payment service"

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
    "shutdown": "stop a worker with SIGTERM, on its own machine",
    "terminate": _NO_END,
    "time_limit": _LIMITS,
}
UNKNOWN = "Breakwall was not tested with it"

# In the answer to `stats`. The rest holds the sentinels' password, or cannot be sent.
SHOWN_OF_BROKER = ("transport", "hostname", "port", "virtual_host", "userid", "heartbeat", "connect_timeout")

RESOURCE_LOCKED = 405

NAME_TAKEN = (
    "another worker has the name {name}, so that `celery inspect` and Flower do not reach this one: "
    "give it another name with --hostname"
)


class NameTakenError(Exception):
    """Another worker of this broker has the same name; the message says what to do."""


class RemoteControlStep(Control):  # type: ignore[misc]  # Celery has no types
    """Replaces Celery's own step."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.box = ControlMailbox(consumer)
        self.start, self.stop, self.shutdown = self.box.start, self.box.stop, self.box.shutdown


class ControlMailbox(Pidbox):  # type: ignore[misc]  # Celery has no types
    """Celery's mailbox, but no message ends in a traceback."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self.node.handlers = ControlCommands()
        self.node.mailbox.producer_pool = AnswerProducers(consumer)

    def start(self, c: Any) -> None:
        """If the broker refuses what remote control needs, the worker continues without it."""
        try:
            super().start(c)
        except c.connection.channel_errors as error:
            # RabbitMQ gives a name's commands to one connection, even to a lost one until it notices the loss.
            taken = getattr(error, "reply_code", None) == RESOURCE_LOCKED
            c.refused(NameTakenError(NAME_TAKEN.format(name=self.hostname)) if taken else error)

    def on_message(self, body: Any, message: Any) -> None:
        self._forward_clock()
        try:
            command = read_command(body, message.headers, self.node.mailbox.reply_exchange.name)
        except StrangeError as error:
            self.c.set_aside(StrangeMessage(str(error), message.headers, message.body))
            return
        try:
            self.node.handle_message(command, message)
        except Exception as error:
            # Mostly, the program that asked has ended. The read from a lost connection is logged elsewhere.
            log.info("a command of `celery control` could not be answered (%s)", type(error).__name__)
            self.reset()


class AnswerProducers:
    """In place of Celery's pool, whose connections wait for RabbitMQ without an end, in the event loop.

    Answers use the connection for events, which is bounded, watched by its heartbeats, and replaced with the worker's.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    @contextmanager
    def acquire(self) -> Iterator[Producer]:
        """A producer for one answer."""
        # Without the worker's heartbeats and events, there is one connection.
        events = self._consumer.event_dispatcher
        channel = (events or self._consumer).connection.default_channel
        make: Any = OneTryProducer  # kombu has no types here
        yield make(channel, auto_declare=False)


class OneTryProducer(Producer):
    """Publishes once. kombu's would try again until the broker is back."""

    def publish(self, *args: Any, **options: Any) -> Any:
        return super().publish(*args, **{**options, "retry": False})  # type: ignore[no-untyped-call]


class ControlCommands(dict[str, Handler]):
    """A handler for each command's name; for an unknown name, one that refuses. No handler raises."""

    def __init__(self, throttle: LogThrottle | None = None) -> None:
        super().__init__({name: _safe(Panel.data[name]) for name in SHOWING})
        self["stats"] = _safe(_stats)
        self._throttle = throttle or LogThrottle()

    def __missing__(self, name: str) -> Handler:
        def refuse(state: Any, /, **arguments: Any) -> Mapping[str, str]:
            # The worker's `RetryRequest` logs it when it processes such an order.
            if name in {"revoke", "terminate"}:
                _record_revoked(arguments.get("task_id"))
            reason = REASONS.get(name, UNKNOWN)
            shown = name if name in REASONS else "an unknown command"
            if self._throttle.admit(shown):
                log.warning("refused %s of `celery control` or Flower: %s", shown, reason)
            refused: Mapping[str, str] = nok(f"refused: {reason}")
            return refused

        return refuse


def _safe(handler: Handler) -> Handler:
    def answer(state: Any, /, **arguments: Any) -> Any:
        try:
            return handler(state, **arguments)
        except Exception as error:  # wrong arguments
            return nok(f"it failed: {type(error).__name__}")

    return answer


def _stats(state: Any, **_: Any) -> Any:
    stats = state.consumer.controller.stats()
    broker = stats.get("broker")
    if isinstance(broker, dict):
        stats["broker"] = {name: broker.get(name) for name in SHOWN_OF_BROKER}
    return stats


def _record_revoked(named: object) -> None:
    ids = named if isinstance(named, list) else [named]
    revoked.update(one for one in ids if isinstance(one, str) and len(one) <= MAX_ID)
