"""What Celery's consumer keeps and logs; `tests/integration/worker` runs it against real brokers."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from breakwall.broker.consuming.consumer import (
    CLEANUP_ERROR,
    MAX_EVENTS,
    RetryConsumer,
    bound_kept_events,
)


def test_a_lost_connection_that_cannot_be_closed_logs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Seen in a storm: Celery's loop logs a traceback beside `OutageLog`'s line."""
    celerys = logging.getLogger("celery.worker.loops")
    for loop in ("event loop", "sync event loop"):
        celerys.error(f"{CLEANUP_ERROR} {loop}: %r", ConnectionResetError())
    celerys.error("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_events_that_no_broker_takes_are_kept_in_a_bounded_number() -> None:
    app = Celery(broker="memory://", set_as_current=False)
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection)
        bound_kept_events(dispatcher)

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError

        dispatcher.producer.publish = refuse
        for number in range(MAX_EVENTS + 10):
            dispatcher.send("task-received", uuid=str(number))
        assert len(dispatcher._outbound_buffer) == MAX_EVENTS
        dispatcher.disable()


@pytest.mark.parametrize(
    ("consumes", "held", "is_used_up", "expects"),
    [
        (True, 0, False, True),
        (False, 0, False, False),
        (True, 60, False, False),
        # Slow orders hold up all messages that RabbitMQ may send: it has not forgotten the consumer.
        (True, 4, True, False),
    ],
)
def test_a_consumer_expects_a_message_if_it_has_room_and_the_broker_may_send_one(
    consumes: bool, held: int, is_used_up: bool, expects: bool
) -> None:
    consumer = RetryConsumer.__new__(RetryConsumer)
    intake = SimpleNamespace(held=held, capacity=60)
    consumer.app = SimpleNamespace(breakwall=SimpleNamespace(intake=intake))
    consumer.task_consumer = SimpleNamespace(consuming_from=lambda queue: consumes)
    consumer.fetching = SimpleNamespace(is_used_up=is_used_up)
    assert consumer.expects_messages == expects
