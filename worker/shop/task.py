"""Our task in a shop's app: for messages that reach the shop's own consumer, and for `celery inspect registered`.

Usually the shop's consumer gets none, because `QueueReader` consumes the queue. With ``-Q payments.retry`` it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from breakwall.broker.messages.order_message import read_message
from breakwall.broker.messages.strange import StrangeError, StrangeMessage, parts_of
from breakwall.worker.shop.addition import addition_to

if TYPE_CHECKING:
    from breakwall.worker.shop.work import ShopWork

log = logging.getLogger("breakwall.worker")

HANDLER = "breakwall.worker.shop.task:message_handler"


def retry_payment(*_: Any, **__: Any) -> None:
    """Never runs, but Celery needs a function for a task: `message_handler` hands each message to the drain."""
    raise NotImplementedError


def message_handler(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """Celery's `Strategy` of the task: give a message's orders to the worker's drain, never to the shop's pool."""
    work: ShopWork | None = addition_to(app).work
    errors = getattr(consumer, "connection_errors", ())

    def handle(message: Any, payload: Any, ack: Callable[..., None], reject: Any, callbacks: Any) -> None:
        def done() -> None:
            ack(log, errors)  # in the consumer's event loop

        if work is None:  # a second consumer of the same process
            reject(log, errors, True)
            return
        try:
            order_ids = read_message(message.headers, message.body).order_ids
        except StrangeError as error:
            work.set_aside(StrangeMessage(str(error), parts_of(message), message.body))
            done()
        else:
            work.submit(order_ids, done)

    return handle
