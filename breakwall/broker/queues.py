"""RabbitMQ's queues: replicated, with a limit of deliveries and a place for what exceeds it."""

from __future__ import annotations

from typing import Any

from kombu.entity import Exchange, Queue

WEEK_IN_MS = 7 * 24 * 3600 * 1000


class QuorumQueue(Queue):
    """A quorum queue that declares its dead-letter queue with itself, for producers and workers alike."""

    queue_arguments: dict[str, Any]
    channel: Any

    @classmethod
    def named(cls, name: str, *, dead_letters: str, delivery_limit: int) -> QuorumQueue:
        return cls(
            name,
            Exchange(name, type="direct"),
            routing_key=name,
            queue_arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": delivery_limit,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": dead_letters,
            },
        )

    def declare(self, nowait: bool = False, channel: Any = None) -> Any:
        dead_letters = dead_letter_queue(self.queue_arguments["x-dead-letter-routing-key"])
        dead_letters(channel or self.channel).declare()
        declare: Any = super().declare  # kombu has no types here
        return declare(nowait=nowait, channel=channel)


def dead_letter_queue(name: str) -> Any:
    """Bounded in number and age: it holds ids for an operator's eyes, not orders."""
    limits = {"x-max-length": 10_000, "x-message-ttl": WEEK_IN_MS}
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=limits)
