"""A Celery worker without its event loop: real messages, the app's own request class, no server."""

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from kombu.message import Message
from kombu.serialization import dumps

from breakwall.broker.config import TASK
from breakwall.settings import load_settings
from breakwall.worker.app import create_app
from breakwall.worker.message import DoneMessages, RetryRequest
from tests.chaos.crashes.file_services import FileBroker
from tests.stepped_drain import SteppedDrain


@functools.cache
def _celery() -> Any:
    """The app, as a worker builds it."""
    return create_app(load_settings({}))


def prepare() -> None:
    """Build before a fork what children can share."""
    _celery()


def deliver(tag: int, order_id: str, drain: SteppedDrain, broker: FileBroker) -> None:
    """Let the drain process a message and acknowledge it, as in a worker."""
    app = _celery()

    def submit(order_ids: Sequence[str], done: Callable[[], None]) -> None:
        drain.submit(order_ids, done)
        drain.run()

    app.breakwall = SimpleNamespace(drain=SimpleNamespace(submit=submit), done_messages=DoneMessages())
    request = RetryRequest(_message(app, tag, order_id, broker), app=app, task=app.tasks[TASK])
    request.execute_using_pool(None)
    assert request.acknowledged, "the drain is not done with it"


def _message(app: Any, tag: int, order_id: str, broker: FileBroker) -> Message:
    sent = app.amqp.as_task_v2(f"message-{tag}", TASK, (order_id,), {})
    content_type, encoding, body = dumps(sent.body, serializer="json")
    return Message(
        body, tag, content_type, encoding, headers=sent.headers, accept={"application/json"}, channel=broker
    )
