"""A message's orders go to the drain, and the message is acknowledged when they are done.

Only the database ends an order: a revoked message and a terminated task do not.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from celery.worker.state import revoked as revoked_tasks
from kombu.message import Message
from kombu.serialization import dumps

from breakwall.broker.config import TASK
from breakwall.settings import load_settings
from breakwall.worker.app import create_app
from breakwall.worker.message import DoneMessages, RetryRequest, end_at_next_signal


class FakeDrain:
    """Keeps what was submitted."""

    def __init__(self) -> None:
        self.submitted: list[tuple[list[str], Callable[[], None]]] = []

    def submit(self, order_ids: list[str], done: Callable[[], None]) -> None:
        self.submitted.append((order_ids, done))


class FakeConsumer:
    """What a strategy of Celery's needs of a consumer; it gives a request to the worker."""

    hostname = "worker@here"

    def __init__(self) -> None:
        self.events: list[str] = []
        self.event_dispatcher = SimpleNamespace(
            enabled=True, send=lambda kind, uuid, **fields: self.events.append(f"{kind} {uuid}")
        )

    def on_task_request(self, request: RetryRequest) -> None:
        request.execute_using_pool(pool=None)


class Site:
    """A consumer before a drain, and the event loop as a list of calls."""

    def __init__(self) -> None:
        self.app = create_app(load_settings({}))
        self.drain = self.app.breakwall.drain = FakeDrain()
        self.loop: list[Callable[[], None]] = []
        self.app.breakwall.done_messages.call_soon = self.loop.append
        self.consumer = FakeConsumer()
        self.acknowledged: list[str] = []
        task = self.app.tasks[TASK]
        self.handle = task.start_strategy(self.app, self.consumer)

    def deliver(self, name: str, orders: str | list[str]) -> None:
        channel = SimpleChannel(lambda tag, multiple=False: self.acknowledged.append(tag))
        sent = self.app.amqp.as_task_v2(name, TASK, (orders,), {})
        kind, encoding, body = dumps(sent.body, serializer="json")
        message = Message(
            body, name, kind, encoding, headers=sent.headers, accept={"application/json"}, channel=channel
        )
        self.handle(message, None, print, print, [])

    def turn(self) -> None:
        """Run what waits for the event loop."""
        calls, self.loop[:] = list(self.loop), []
        for call in calls:
            call()


class SimpleChannel:
    no_ack_consumers = None

    def __init__(self, basic_ack: Callable[..., None]) -> None:
        self.basic_ack = basic_ack


@pytest.fixture
def site() -> Iterator[Site]:
    yield Site()
    state.reset_state()


@pytest.mark.parametrize(("orders", "ids"), [("o1", ["o1"]), (["o1", "o2"], ["o1", "o2"])])
def test_a_messages_orders_are_given_to_the_drain(
    site: Site, orders: str | list[str], ids: list[str]
) -> None:
    site.deliver("m1", orders)
    assert site.drain.submitted[0][0] == ids
    assert [request.id for request in state.active_requests] == ["m1"], "`celery inspect active` shows it"
    assert site.acknowledged == []


def test_messages_that_are_done_are_acknowledged_in_one_turn_of_the_event_loop(site: Site) -> None:
    """A thread of the drain may not use the event loop's connection."""
    for name in ("m1", "m2", "m3"):
        site.deliver(name, name)
    for _, done in site.drain.submitted[:2]:
        done()
    assert site.acknowledged == []
    site.turn()
    assert site.acknowledged == ["m1", "m2"]
    assert [request.id for request in state.active_requests] == ["m3"]
    site.drain.submitted[2][1]()
    site.turn()
    assert site.acknowledged == ["m1", "m2", "m3"]


def test_monitors_are_sent_celerys_events(site: Site) -> None:
    site.deliver("m1", "o1")
    site.drain.submitted[0][1]()
    site.turn()
    assert site.consumer.events == ["task-received m1", "task-started m1", "task-succeeded m1"]


def test_a_message_that_is_done_during_the_acknowledgement_is_not_forgotten() -> None:
    loop: list[Callable[[], None]] = []
    done = DoneMessages()
    done.call_soon = loop.append
    second: Any = SimpleNamespace(report_done=lambda: None, message=SimpleNamespace(channel=None, ack=list))
    first: Any = SimpleNamespace(report_done=lambda: done.add(second), message=second.message)
    done.add(first)
    loop.pop(0)()
    assert len(loop) == 1


def test_a_call_that_the_event_loop_has_forgotten_holds_up_no_later_message(site: Site) -> None:
    for name in ("m1", "m2"):
        site.deliver(name, name)
    site.drain.submitted[0][1]()
    site.loop.clear()
    site.drain.submitted[1][1]()
    site.turn()
    assert site.acknowledged == ["m1", "m2"]


@pytest.fixture
def request_in_work() -> Any:
    made = RetryRequest.__new__(RetryRequest)
    made.id = "order-1"
    made.ended = []
    retry = SimpleNamespace(end=lambda: made.ended.append("the wait for a resource"))
    made._task = SimpleNamespace(app=SimpleNamespace(breakwall=SimpleNamespace(exhaustion_retry=retry)))
    return made


@pytest.fixture
def _restored_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    end_at_next_signal.cache_clear()
    yield
    end_at_next_signal.cache_clear()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_revoked_message_is_worked_on_and_logged_once(
    request_in_work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    revoked_tasks.add("order-1")
    assert not request_in_work.revoked()
    assert not request_in_work.revoked()
    assert caplog.text.count("`breakwall orders cancel` ends it") == 1


def test_terminate_does_nothing(request_in_work: Any) -> None:
    request_in_work.terminate(pool=None, signal="KILL")
    assert request_in_work.ended == []


@pytest.mark.usefixtures("_restored_signals")
def test_cancel_ends_waiting_and_lets_the_next_signal_end_the_process(
    request_in_work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        request_in_work.cancel(pool=None)
        request_in_work.cancel(pool=None)
    assert request_in_work.ended == ["the wait for a resource"] * 2
    assert caplog.text.count("Another Ctrl-C ends the worker at once") == 1
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGQUIT) is not signal.SIG_DFL
