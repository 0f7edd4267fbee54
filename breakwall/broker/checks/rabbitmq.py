"""The checks for RabbitMQ, which closes the channel at each refusal."""

from collections.abc import Callable, Iterator
from typing import Any

from breakwall.broker.config import DEAD_LETTERS, QUEUE
from breakwall.broker.connections.base import NOT_FOUND
from breakwall.broker.connections.rabbitmq import BlockedError, RabbitMQConnection

DEAD_LETTERS_READ = 20
PRECONDITION_FAILED = 406


def check_names(connection: RabbitMQConnection) -> None:
    """Declare again each queue and exchange that exists. RabbitMQ refuses if its declaration was different."""
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
    """Try what producers and workers do, in a form without effect: only a refusal of the rights is raised."""
    # Both have a wrong argument. RabbitMQ checks the rights first.
    _ask_in_vain(connection, _declare)
    _ask_in_vain(connection, _consume)
    try:
        # With an alarm raised it reads the first message of a connection, and no second one.
        for _ in range(2):
            connection.publish_to_no_queue()
    except connection.channel_errors as error:
        _expect(error, NOT_FOUND)  # not declared yet; the first publish declares it


def is_refusal(error: BaseException) -> bool:
    """Whether RabbitMQ refused, by an answer or by an alarm."""
    from amqp.exceptions import AccessRefused, NotAllowed

    return isinstance(error, AccessRefused | NotAllowed | BlockedError)


def dead_letter_reasons(connection: RabbitMQConnection) -> Iterator[str]:
    """Why the oldest `DEAD_LETTERS_READ` became dead letters. They stay in their queue."""
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

    # With all of our arguments, because the dead-letter exchange needs a right, too.
    wrong = {**retry_queue().queue_arguments, "x-max-length": "none"}
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=wrong)


def _consume(channel: Any) -> None:
    channel.basic_consume(QUEUE, arguments={"x-priority": "none"})


def _expect(error: Exception, *codes: int) -> None:
    if getattr(error, "reply_code", None) not in codes:
        raise error
