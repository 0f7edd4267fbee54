"""Which messages wait for which orders."""

import logging
from collections.abc import Callable, Sequence

log = logging.getLogger("breakwall.worker")


class _Message:
    __slots__ = ("done", "waits_for")

    def __init__(self, number: int, done: Callable[[], None]) -> None:
        self.waits_for = number
        self.done = done


class Messages:
    """The messages whose orders are worked on. An order may be named by several. For one thread."""

    def __init__(self) -> None:
        self._by_order: dict[str, list[_Message]] = {}
        self.finished = 0  # Ids, each as often as a message named it.

    def add(self, order_ids: Sequence[str], done: Callable[[], None]) -> list[str]:
        """Take a message; returns those of its orders that no other message has named yet."""
        distinct = list(dict.fromkeys(order_ids))
        self.finished += len(order_ids) - len(distinct)
        new = [one for one in distinct if one not in self._by_order]
        message = _Message(len(distinct), done)
        for one in distinct:
            self._by_order.setdefault(one, []).append(message)
        if not distinct:
            _call(done)
        return new

    def finish(self, order_id: str) -> None:
        """The work on an order is over: acknowledge the messages that waited for nothing else."""
        for message in self._by_order.pop(order_id, ()):
            self.finished += 1
            message.waits_for -= 1
            if not message.waits_for:
                _call(message.done)


def _call(done: Callable[[], None]) -> None:
    try:
        done()
    except Exception:
        # The message comes again, and finds nothing to claim.
        log.exception("a message could not be acknowledged")
