"""What RabbitMQ is asked. It closes the channel with each refusal."""

from collections.abc import Callable, Iterator
from typing import Any

from breakwall.broker.config import DEAD_LETTERS, QUEUE
from breakwall.broker.connections.base import NOT_FOUND
from breakwall.broker.connections.rabbitmq import BlockedError, RabbitMQConnection

DEAD_LETTERS_READ = 20

PRECONDITION_FAILED = 406


def check_names(connection: RabbitMQConnection) -> None:
    """Declare again what is there: RabbitMQ refuses that where it was declared otherwise."""
    from breakwall.broker.rabbitmq_queues import dead_letter_queue, retry_queue

    queue = retry_queue()
    for declare in (queue.exchange.declare, queue.queue_declare, dead_letter_queue().queue_declare):
        try:
            declare(passive=True, channel=connection.channel)
        except connection.channel_errors as error:
            _expect(error, NOT_FOUND)
            connection.forget_channel()
        else:
            declare(channel=connection.channel)


def check_rights(connection: RabbitMQConnection) -> None:
    """Do what producers and workers do, so that nothing comes of it but a refusal."""
    # Both with an argument that RabbitMQ refuses after it has looked at the rights.
    _ask_in_vain(connection, _declare)
    _ask_in_vain(connection, _consume)
    try:
        # With an alarm raised it reads the first message of a connection, and none after it.
        for _ in range(2):
            connection.publish_to_no_queue()
    except connection.channel_errors as error:
        _expect(error, NOT_FOUND)  # not declared yet: the first publish does


def is_refusal(error: BaseException) -> bool:
    """Whether this is an answer of RabbitMQ."""
    from amqp.exceptions import AccessRefused, NotAllowed

    return isinstance(error, AccessRefused | NotAllowed | BlockedError)


def dead_letter_reasons(connection: RabbitMQConnection) -> Iterator[str]:
    """How the oldest `DEAD_LETTERS_READ` came there. They are put back."""
    channel = connection.channel
    for _ in range(DEAD_LETTERS_READ):
        message = channel.basic_get(DEAD_LETTERS)
        if message is None:
            break
        yield str((message.headers or {}).get("x-first-death-reason", ""))
    channel.basic_recover(requeue=True)


def _ask_in_vain(connection: RabbitMQConnection, ask: Callable[[Any], object]) -> None:
    try:
        ask(connection.channel)
    except connection.channel_errors as error:
        _expect(error, PRECONDITION_FAILED, NOT_FOUND)
        connection.forget_channel()
    else:
        connection.close()


def _declare(channel: Any) -> None:
    from breakwall.broker.rabbitmq_queues import retry_queue

    # With all of ours: the exchange that dead letters go through needs a right, too.
    wrong = {**retry_queue().queue_arguments, "x-max-length": "none"}
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=wrong)


def _consume(channel: Any) -> None:
    channel.basic_consume(QUEUE, arguments={"x-priority": "none"})


def _expect(error: Exception, *codes: int) -> None:
    if getattr(error, "reply_code", None) not in codes:
        raise error
