"""RabbitMQ's queues: a replicated one with a limit of deliveries, and one for dead letters."""

from typing import Any

from kombu.entity import Exchange, Queue

from breakwall.broker.config import DEAD_LETTERS, QUEUE

DELIVERY_LIMIT = 20  # RabbitMQ 4's default, stated so that every version has it.
WEEK_IN_MS = 7 * 24 * 3600 * 1000


class QuorumQueue(Queue):
    """A quorum queue whose declaration also declares the dead-letter queue."""

    queue_arguments: dict[str, Any]
    channel: Any

    def declare(self, nowait: bool = False, channel: Any = None) -> Any:
        dead_letter_queue()(channel or self.channel).declare()
        declare: Any = super().declare  # kombu has no types here
        return declare(nowait=nowait, channel=channel)


def retry_queue() -> Any:
    """`QUEUE`, as producers and workers declare it."""
    queue: Any = QuorumQueue  # kombu has no types here
    return queue(
        QUEUE,
        Exchange(QUEUE, type="direct"),
        routing_key=QUEUE,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_LETTERS,
        },
    )


def dead_letter_queue() -> Any:
    """`DEAD_LETTERS`, with a limit of messages and age: it holds ids for an operator, not orders."""
    limits = {"x-max-length": 10_000, "x-message-ttl": WEEK_IN_MS}
    return Queue(DEAD_LETTERS, Exchange(""), routing_key=DEAD_LETTERS, queue_arguments=limits)
