"""A Celery worker without its event loop: real messages, the app's own task and request class, no server."""

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from celery.app.trace import trace_task_ret
from celery.concurrency.solo import TaskPool
from celery.worker.request import create_request_cls
from kombu.message import Message
from kombu.serialization import dumps
from kombu.utils.imports import symbol_by_name

from breakwall.broker.config import TASK
from breakwall.settings import load_settings
from breakwall.worker.app import create_app
from tests.chaos.crashes.file_services import FileBroker
from tests.stepped_drain import SteppedDrain


@functools.cache
def _celery() -> tuple[Any, type[Any], Any]:
    """The app, its request class as the worker's consumer builds it, and the pool that runs a task here."""
    app = create_app(load_settings({}))
    pool = TaskPool()
    task = app.tasks[TASK]
    trace = functools.partial(trace_task_ret, app=app)
    request = create_request_cls(
        symbol_by_name(task.Request), task, pool, "worker@here", None, trace=trace, app=app
    )
    return app, request, pool


def prepare() -> None:
    """Build before a fork what children can share."""
    _celery()


def deliver(tag: int, order_id: str, drain: SteppedDrain, broker: FileBroker) -> None:
    """Let the app's task process a message and acknowledge it, as in a worker."""
    app, request_class, pool = _celery()

    def submit(order_ids: Sequence[str], done: Callable[[], None]) -> None:
        drain.submit(order_ids, done)
        drain.run()

    app.breakwall = SimpleNamespace(drain=SimpleNamespace(submit=submit))
    message = _message(app, tag, order_id, broker)
    request = request_class(
        message,
        on_ack=message.ack_log_error,
        on_reject=message.reject_log_error,
        app=app,
        task=app.tasks[TASK],
        connection_errors=(),
    )
    request.execute_using_pool(pool)
    assert request.acknowledged, "Celery keeps a message whose task failed"


def _message(app: Any, tag: int, order_id: str, broker: FileBroker) -> Message:
    sent = app.amqp.as_task_v2(f"message-{tag}", TASK, (order_id,), {})
    content_type, encoding, body = dumps(sent.body, serializer="json")
    return Message(
        body, tag, content_type, encoding, headers=sent.headers, accept={"application/json"}, channel=broker
    )
