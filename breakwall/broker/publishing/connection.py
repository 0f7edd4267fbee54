"""One connection to the broker over which messages are sent within a bound of time, whatever the broker does.

Celery builds and sends the messages. What is ours is the bound: Celery's own retries of a publish can take
many seconds, and on RabbitMQ a publish returns before the broker has the message.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from breakwall.broker.config import (
    DEAD_LETTERS,
    QUEUE,
    TASK,
    is_amqp,
    is_behind_sentinel,
    retry_queue,
    sentinel_transport_options,
)
from breakwall.broker.mismatch import WrongQueueError, mismatch, wrong_type
from breakwall.broker.refusal import NO_MORE_CLIENTS, refusal
from breakwall.settings import Settings

Result = TypeVar("Result")

STEP = 0.4
"""Seconds that each wait for the broker may take: to connect, to answer a command, to confirm. A broker that
hangs is given up after one such wait, on a new connection after two at most."""

MESSAGES_AT_ONCE = 200
"""Messages of one round trip: enough for thousands a second, and made and confirmed well within a `STEP`."""


PROMPT = 0.1
"""Seconds: a failure that comes sooner, on a connection that worked before, means that it was dropped while
idle and that a second try is worth it. A broker that hangs takes longer, and has had its time."""


DEAD_LETTERS_READ = 20
"""Dead letters that are read for how they came there."""

NOT_FOUND = 404
PRECONDITION_FAILED = 406


class UnconfirmedError(Exception):
    """The broker has the message perhaps, or dropped it: it did not confirm in time, or refused."""


class BlockedError(UnconfirmedError):
    """RabbitMQ has said that it reads nothing more that is sent: an alarm is raised."""


class Line(ABC):
    """Connects when used, again after an error. Not thread-safe: one user at a time.

    `send` and `depth` raise whatever kombu, redis or amqp raise; the caller decides what an error means.
    """

    missing_queue_closes_channel: ClassVar[bool] = False
    """Where it does not, the channel is kept: on Redis each new one would hold connections of its own."""

    def __init__(self, app: Any, *, transport_options: dict[str, Any]) -> None:
        self._app = app
        self._connection = app.connection_for_write(
            connect_timeout=STEP, heartbeat=0, transport_options=transport_options
        )
        self._producer: Any = None
        self._proven = False

    @abstractmethod
    def _transmit(self, order_ids: Sequence[str]) -> None: ...

    @abstractmethod
    def _compare(self) -> None: ...

    @abstractmethod
    def _pretend(self) -> None:
        """Ask for what sending and taking need, so that nothing comes of it but a refusal."""

    @abstractmethod
    def _is_refusal(self, error: BaseException) -> bool:
        """Whether that is what the broker has answered."""

    def send(self, order_ids: Sequence[str]) -> None:
        """Send a message for each order, at most `MESSAGES_AT_ONCE`; returns when the broker has them all.

        On an error any of them may have arrived: a doubled message finds nothing to claim.
        """
        self._do(lambda: self._transmit(order_ids))

    def depth(self, queue: str = QUEUE) -> int:
        """How many messages wait. Those that a worker holds are not counted."""
        return self._do(lambda: self._count(queue))

    def check(self) -> None:
        """Look whether what the broker has under our names can be worked with. Makes nothing.

        Raises:
            WrongQueueError: it cannot.
        """
        try:
            self._do(self._compare)
        except Exception as error:
            told = mismatch(error)
            if told is None:
                raise
            raise WrongQueueError(told) from None

    def try_writing(self) -> None:
        """Look whether messages would be taken. Writes nothing.

        Raises:
            BrokerRefusesError: they would not.
        """
        try:
            self._do(self._pretend)
        except Exception as error:
            answer = self._refusal_in(error)
            if answer is not None:
                raise refusal(answer) from None
            raise

    def _refusal_in(self, error: BaseException | None) -> BaseException | None:
        # kombu wraps what it meets while it connects.
        while error is not None and not self._is_refusal(error):
            error = error.__cause__
        return error

    def causes_of_death(self) -> list[str]:
        """How the oldest dead letters came there, in the broker's words."""
        return self._do(self._dead_letters)

    def _dead_letters(self) -> list[str]:
        return []  # Redis has none

    def close(self) -> None:
        """Drop the connection without a word to the broker, which may not listen. Safe to call twice."""
        self._producer = None
        self._proven = False
        with contextlib.suppress(Exception):
            self._connection.collect()

    def _do(self, operation: Callable[[], Result]) -> Result:
        started = time.monotonic()
        worth_a_second_try = self._proven
        try:
            return self._do_once(operation)
        except Exception:
            if not worth_a_second_try or time.monotonic() - started > PROMPT:
                raise
        return self._do_once(operation)

    def _do_once(self, operation: Callable[[], Result]) -> Result:
        try:
            self._open()
            result = operation()
        except Exception:
            self.close()
            raise
        self._proven = True
        return result

    def _count(self, queue: str) -> int:
        try:
            return int(self._producer.channel.queue_declare(queue, passive=True).message_count)
        except self._connection.channel_errors as error:
            # Redis has no key for an empty list, and RabbitMQ no queue before the first publish.
            if str(getattr(error, "reply_code", "")) != str(NOT_FOUND):
                raise
            if self.missing_queue_closes_channel:
                self._producer = None
            return 0

    def _open(self) -> None:
        if self._producer is None:
            self._connect()
            self._producer = self._app.amqp.Producer(self._connection.channel(), auto_declare=False)

    def _connect(self) -> None:
        """To the first node of the broker that answers, while there is time; the next time go on from there."""
        deadline = time.monotonic() + STEP
        for left in reversed(range(max(1, len(self._connection.alt)))):
            try:
                self._connection.ensure_connection(max_retries=0)
            except Exception:
                # Whatever was wrong with this node: a refused connection, a refused user, no answer.
                self._connection.maybe_switch_next()
                if not left or time.monotonic() > deadline:
                    raise
            else:
                return

    def _post(self, order_id: str, **options: Any) -> None:
        """Hand one message to kombu. The order's id is the task's id too: the same order, the same task."""
        message = self._app.amqp.create_task_message(
            order_id, TASK, args=(order_id,), ignore_result=True, origin="breakwall"
        )
        self._app.amqp.send_task_message(self._producer, TASK, message, queue=QUEUE, retry=False, **options)


class RedisLine(Line):
    """Redis and Valkey: all messages in one pipeline, which is one round trip."""

    def __init__(self, app: Any, **more_options: Any) -> None:
        within = {"socket_timeout": STEP, "socket_connect_timeout": STEP}
        super().__init__(app, transport_options={**within, **more_options})

    def _transmit(self, order_ids: Sequence[str]) -> None:
        with self._producer.batch(max_size=MESSAGES_AT_ONCE):
            for order_id in order_ids:
                self._post(order_id)

    def _compare(self) -> None:
        channel = self._producer.channel
        wanted = {
            QUEUE: "list",
            channel.keyprefix_queue % QUEUE: "set",
            channel.unacked_key: "hash",
            channel.unacked_index_key: "zset",
        }
        for name, kind in wanted.items():
            found = channel.client.type(name)
            if _text(found) not in {kind, "none"}:
                raise WrongQueueError(wrong_type(name))

    def _pretend(self) -> None:
        # Redis refuses these when they are queued; none of them is run.
        channel = self._producer.channel
        commands = (("MULTI",), *_what_a_worker_needs(channel), ("DISCARD",))
        pool = channel.client.connection_pool
        connection = pool.get_connection()
        try:
            for command in commands:
                connection.send_command(*command)
                connection.read_response()
        finally:
            connection.disconnect()
            pool.release(connection)

    def _is_refusal(self, error: BaseException) -> bool:
        from redis.exceptions import AuthenticationError, BusyLoadingError, ReadOnlyError, ResponseError

        # redis-py counts two of these among the connection's errors.
        answers = (ResponseError, AuthenticationError, BusyLoadingError)
        if isinstance(error, answers) or NO_MORE_CLIENTS in str(error):
            return True
        # Behind Sentinel redis-py takes the word of a replica for a lost connection.
        return isinstance(error.__context__, ReadOnlyError)


class AmqpLine(Line):
    """RabbitMQ: all messages are written, then all confirmations awaited."""

    missing_queue_closes_channel = True

    def __init__(self, app: Any) -> None:
        # kombu's own confirm_publish waits for each message before it writes the next.
        super().__init__(
            app, transport_options={"confirm_publish": False, "read_timeout": STEP, "write_timeout": STEP}
        )
        self._prepared: Any = None
        self._tag = 0
        self._awaited: set[int] = set()
        self._refused = self._blocked = False

    def _transmit(self, order_ids: Sequence[str]) -> None:
        self._prepare(self._producer.channel)
        for order_id in order_ids:
            self._tag += 1
            self._awaited.add(self._tag)
            self._post(order_id, mandatory=True)
        self._await_confirmation()

    def _compare(self) -> None:
        from breakwall.broker.queues import dead_letter_queue

        queue = retry_queue()
        self._compare_one(queue.exchange.declare)
        self._compare_one(queue.queue_declare)
        self._compare_one(dead_letter_queue(DEAD_LETTERS).queue_declare)

    def _compare_one(self, declare: Callable[..., object]) -> None:
        self._open()
        try:
            declare(passive=True, channel=self._producer.channel)
        except self._connection.channel_errors as error:
            if getattr(error, "reply_code", None) != NOT_FOUND:
                raise
            self._producer = None  # that closed the channel
        else:
            # What is there already stays as it is, or is refused.
            declare(channel=self._producer.channel)

    def _pretend(self) -> None:
        # Both with an argument that RabbitMQ refuses, after it has looked at the rights: nothing is made.
        self._ask_in_vain(self._declare)
        self._ask_in_vain(self._consume)
        self._open()
        self._prepare(self._producer.channel)
        try:
            # With an alarm raised it reads the first message of a connection, and none after it.
            for _ in range(2):
                self._post_to_nobody(self._producer.channel)
        except self._connection.channel_errors as error:
            if getattr(error, "reply_code", None) != NOT_FOUND:  # not declared yet: the first publish does
                raise

    def _post_to_nobody(self, channel: Any) -> None:
        self._tag += 1
        self._awaited.add(self._tag)
        # Nothing is bound to that key: the message goes nowhere.
        channel.basic_publish(channel.prepare_message(b""), exchange=QUEUE, routing_key=uuid4().hex)
        self._await_confirmation()

    def _ask_in_vain(self, ask: Callable[[Any], object]) -> None:
        self._open()
        try:
            ask(self._producer.channel)
        except self._connection.channel_errors as error:
            if getattr(error, "reply_code", None) not in {PRECONDITION_FAILED, NOT_FOUND}:
                raise
            self._producer = None  # that closed the channel
        else:
            self.close()

    def _declare(self, channel: Any) -> None:
        # With all of ours: the exchange that dead letters go through needs a right, too.
        wrong = {**retry_queue().queue_arguments, "x-max-length": "none"}
        channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=wrong)

    def _consume(self, channel: Any) -> None:
        channel.basic_consume(QUEUE, arguments={"x-priority": "none"})

    def _dead_letters(self) -> list[str]:
        channel, causes = self._producer.channel, []
        for _ in range(DEAD_LETTERS_READ):
            message = channel.basic_get(DEAD_LETTERS)
            if message is None:
                break
            causes.append(str((message.headers or {}).get("x-first-death-reason", "")))
        channel.basic_recover(requeue=True)
        return causes

    def _is_refusal(self, error: BaseException) -> bool:
        from amqp.exceptions import AccessRefused, NotAllowed

        return isinstance(error, AccessRefused | NotAllowed | BlockedError)

    def _prepare(self, channel: Any) -> None:
        if channel is self._prepared:
            return
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_refusal)
        channel.events["basic_return"].add(self._on_refusal)
        channel.connection.on_blocked, channel.connection.on_unblocked = self._on_blocked, self._on_unblocked
        self._prepared, self._tag, self._awaited = channel, 0, set()
        self._refused = self._blocked = False

    def _await_confirmation(self) -> None:
        deadline = time.monotonic() + STEP
        while self._awaited and not self._refused:
            left = deadline - time.monotonic()
            if left <= 0:
                raise UnconfirmedError("the broker did not confirm in time")
            self._drain(left)
        if self._refused:
            raise UnconfirmedError("the broker refused a message")

    def _drain(self, timeout: float) -> None:
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            if self._blocked:
                raise BlockedError("the broker has blocked the connection") from None
            raise

    def _on_ack(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._awaited = {awaited for awaited in self._awaited if awaited > tag}
        else:
            self._awaited.discard(tag)

    def _on_refusal(self, *_: Any) -> None:
        self._refused = True

    def _on_blocked(self, *_: Any) -> None:
        self._blocked = True

    def _on_unblocked(self, *_: Any) -> None:
        self._blocked = False


def _what_a_worker_needs(channel: Any) -> Iterator[tuple[str, ...]]:
    """Commands of kombu's with the keys that it uses: each may be forbidden by itself."""
    binding, unacked, index = channel.keyprefix_queue % QUEUE, channel.unacked_key, channel.unacked_index_key
    yield "LPUSH", QUEUE, ""
    yield "RPUSH", QUEUE, ""
    yield "BRPOP", *(channel._q_for_pri(QUEUE, priority) for priority in channel.priority_steps), "1"  # noqa: SLF001
    yield "SADD", binding, ""
    yield "HSET", unacked, "", ""
    yield "HDEL", unacked, ""
    yield "ZADD", index, "0", ""
    yield "ZREM", index, ""
    yield "SET", channel.unacked_mutex_key, "", "NX"
    yield "EVALSHA", "0" * 40, "1", binding


def _text(answer: bytes | str) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer


def client_app(settings: Settings) -> Any:
    """A Celery app that only sends: it does not become the process's current app."""
    from breakwall.broker.celery_app import OwnApp

    return OwnApp(settings, current=False)


def new_line(settings: Settings, app: Any) -> Line:
    """An unopened line to the settings' broker."""
    if is_amqp(settings):
        return AmqpLine(app)
    if is_behind_sentinel(settings):
        return RedisLine(app, **sentinel_transport_options(settings, STEP))
    return RedisLine(app)
