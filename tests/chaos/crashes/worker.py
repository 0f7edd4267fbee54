"""A Celery worker without its event loop: real messages, the app's own request class, no server."""

import functools
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from kombu.message import Message
from kombu.serialization import dumps

from breakwall.broker.config import TASK
from breakwall.settings import load_settings
from breakwall.worker.app import create_app
from breakwall.worker.log.orders import NOTHING_TO_DO
from breakwall.worker.message import DoneMessages, RetryRequest
from breakwall.worker.retry import Retrier
from tests.chaos.crashes.file_services import FileBroker


@functools.cache
def _celery() -> Any:
    """The app, as a worker builds it."""
    return create_app(load_settings({}))


def prepare() -> None:
    """Build before a fork what children can share."""
    _celery()


class InlineDrain:
    """Works on a message's orders before `submit` returns."""

    def __init__(self, work: Callable[[str], object]) -> None:
        self._work = work

    def submit(self, order_ids: Sequence[str], done: Callable[[], None]) -> None:
        for order_id in order_ids:
            self._work(order_id)
        done()


def deliver(tag: int, order_id: str, retrier: Retrier, broker: FileBroker) -> None:
    """Let the drain process a message and acknowledge it, as in a worker."""
    app = _celery()
    app.breakwall = SimpleNamespace(
        drain=InlineDrain(app.tasks[TASK].run),
        done_messages=DoneMessages(),
        retrier=retrier,
        exhaustion_retry=SimpleNamespace(run=lambda work: work()),
        order_log=SimpleNamespace(write=lambda order_id, status, took: str(status or NOTHING_TO_DO)),
        heartbeat=SimpleNamespace(mark_busy=lambda: None),
        monotonic=time.monotonic,
    )
    request = RetryRequest(_message(app, tag, order_id, broker), app=app, task=app.tasks[TASK])
    request.execute_using_pool(None)
    assert request.acknowledged, "the drain is not done with it"


def _message(app: Any, tag: int, order_id: str, broker: FileBroker) -> Message:
    sent = app.amqp.as_task_v2(f"message-{tag}", TASK, (order_id,), {})
    content_type, encoding, body = dumps(sent.body, serializer="json")
    return Message(
        body, tag, content_type, encoding, headers=sent.headers, accept={"application/json"}, channel=broker
    )
