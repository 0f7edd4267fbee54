"""The base of the connections to Redis and RabbitMQ: each wait has a timeout, a lost connection is replaced.

Celery builds and sends the messages, but without bounds: its retries of a publish can take many seconds, and on
RabbitMQ it returns before the broker has the message.
"""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from breakwall.broker.config import QUEUE, TASK

Result = TypeVar("Result")

# Seconds for each wait: to connect, for an answer, for a confirmation. If the broker hangs, a publish ends after one
# such wait, on a new connection after two at most.
STEP_TIMEOUT = 0.4

# Orders in one message. A message costs a publisher 0.2 ms and a worker about 1 ms, however many ids it has. A slow
# order holds up the acknowledgement of the others, so there are not more.
IDS_A_MESSAGE = 20

MESSAGES_AT_ONCE = 200  # In one round trip: thousands a second, confirmed well within `STEP_TIMEOUT`.
IDS_AT_ONCE = MESSAGES_AT_ONCE * IDS_A_MESSAGE

# Seconds. If a connection that has worked fails sooner, it was dropped while idle, and a second try makes sense. If the
# broker hangs, the failure comes later.
PROMPT_FAILURE = 0.1

NOT_FOUND = 404


class BrokerConnection(ABC):
    """Connects at its first use, and again after an error. Not thread-safe.

    `send`, `depth` and `run` raise the errors of kombu, redis and amqp; the caller decides what they mean.
    """

    # False keeps the channel: on Redis each new one would hold connections of its own.
    missing_queue_closes_channel: ClassVar[bool] = False
    step_timeout: ClassVar[float] = STEP_TIMEOUT

    def __init__(self, app: Any, *, transport_options: dict[str, Any]) -> None:
        self._app = app
        self._connection = app.connection_for_write(
            connect_timeout=self.step_timeout, heartbeat=0, transport_options=transport_options
        )
        self._producer: Any = None
        self._has_worked = False

    @abstractmethod
    def _transmit(self, messages: Sequence[Sequence[str]]) -> None: ...

    def send(self, order_ids: Sequence[str]) -> None:
        """Send the ids of at most `IDS_AT_ONCE` orders in messages; return when the broker has all of them.

        After an error any of them may have arrived. That is safe: a second message finds nothing to claim.
        """
        starts = range(0, len(order_ids), IDS_A_MESSAGE)
        messages = [order_ids[start : start + IDS_A_MESSAGE] for start in starts]
        self.run(lambda: self._transmit(messages))

    def depth(self, queue: str = QUEUE) -> int:
        """How many messages wait, without those that a worker holds."""
        return self.run(lambda: self._count(queue))

    def run(self, operation: Callable[[], Result]) -> Result:
        """Connect and run what needs `channel`; once more if the connection was dropped while idle."""
        started = time.monotonic()
        had_worked = self._has_worked
        try:
            return self._run_once(operation)
        except Exception:
            if not had_worked or time.monotonic() - started > PROMPT_FAILURE:
                raise
        return self._run_once(operation)

    @property
    def channel(self) -> Any:
        """kombu's channel, opened if there is none. For use within `run`."""
        if self._producer is None:
            self._connect()
            self._producer = self._app.amqp.Producer(self._connection.channel(), auto_declare=False)
        return self._producer.channel

    @property
    def channel_errors(self) -> tuple[type[Exception], ...]:
        """The errors for an operation that the broker refuses."""
        errors: tuple[type[Exception], ...] = self._connection.channel_errors
        return errors

    def forget_channel(self) -> None:
        """Open a new channel at the next use: the broker has closed this one, but not the connection."""
        self._producer = None

    def close(self) -> None:
        """Drop the connection without a goodbye to the broker, which may hang. Safe to call twice."""
        self._producer = None
        self._has_worked = False
        with contextlib.suppress(Exception):
            self._connection.collect()

    def _run_once(self, operation: Callable[[], Result]) -> Result:
        try:
            _ = self.channel
            result = operation()
        except Exception:
            self.close()
            raise
        self._has_worked = True
        return result

    def _count(self, queue: str) -> int:
        try:
            return int(self.channel.queue_declare(queue, passive=True).message_count)
        except self.channel_errors as error:
            # Redis has no key for an empty list; RabbitMQ has no queue before the first publish.
            if str(getattr(error, "reply_code", "")) != str(NOT_FOUND):
                raise
            if self.missing_queue_closes_channel:
                self.forget_channel()
            return 0

    def _connect(self) -> None:
        """Connect to the first node that answers in time; the next call begins with that node."""
        deadline = time.monotonic() + self.step_timeout
        for others_left in reversed(range(max(1, len(self._connection.alt)))):
            try:
                self._connection.ensure_connection(max_retries=0)
            except Exception:
                # For any failure of this node: a refused connection, a refused user, no answer.
                self._connection.maybe_switch_next()
                if not others_left or time.monotonic() > deadline:
                    raise
            else:
                return

    def _post(self, order_ids: Sequence[str], **options: Any) -> None:
        """Give one message to kombu: of form 1 for one order, whose id is also the task's id; else of form 2."""
        amqp = self._app.amqp
        alone = len(order_ids) == 1
        message = amqp.create_task_message(
            order_ids[0] if alone else uuid4().hex,
            TASK,
            args=(order_ids[0] if alone else list(order_ids),),
            # Celery would make a text of all arguments, at the cost of the rest of the message.
            argsrepr=f"('{order_ids[0] if alone else f'{len(order_ids)} orders'}',)",
            kwargsrepr="{}",
            ignore_result=True,
            origin="breakwall",
        )
        amqp.send_task_message(self._producer, TASK, message, queue=QUEUE, retry=False, **options)
