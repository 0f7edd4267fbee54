"""How a message's orders reach the drain, how the message is acknowledged afterwards, and why Celery cannot end it."""

import functools
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery import signals
from celery.worker.request import Request
from celery.worker.state import revoked as revoked_tasks
from celery.worker.state import task_ready, task_reserved

from breakwall.broker.consuming.fetching import acknowledge_all
from breakwall.broker.messages.order_message import ids_in
from breakwall.crashpoints import reach

log = logging.getLogger("breakwall.worker")


class RetryRequest(Request):
    """Celery's object for a message in progress. The message is acknowledged when the work is done."""

    _began = 0.0  # When the drain got it, on the monotonic clock.

    def execute_using_pool(self, pool: Any, **_: Any) -> None:
        """Give the message's orders to the worker's drain, which has threads of its own."""
        self.revoked()
        runtime = self.task.app.breakwall
        self._began = time.monotonic()
        self.on_accepted(os.getpid(), self._began)
        runtime.drain.submit(ids_in(self.args[0]), functools.partial(runtime.done_messages.add, self))

    def report_done(self) -> None:
        """Celery's books and events, without the acknowledgement."""
        task_ready(self, successful=True)
        self.acknowledged = True
        took = time.monotonic() - self._began
        self.send_event("task-succeeded", result=f"{len(ids_in(self.args[0]))} orders", runtime=took)

    def revoked(self) -> bool:
        """Never: only the database finishes an order, and the dispatcher would republish it.

        Celery remembers a revoked id for three hours, and every message of an order has the order's id.
        """
        if self.id in revoked_tasks:
            log.warning(
                "order %s is worked on although its message was revoked: `breakwall orders cancel` ends it",
                self.id,
            )
            revoked_tasks.discard(self.id)
        return False

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """At a second Ctrl-C, or SIGQUIT: let the thread that charges continue, because it cannot be killed."""
        self.task.app.breakwall.exhaustion_retry.end()
        end_at_next_signal()

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Nothing: a thread cannot be killed, and a charge that was sent cannot be taken back."""


def message_handler(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """Celery's `Strategy` of the task: what a consumer does with each message.

    Celery's own makes a subclass of the request's class, whose orders always go to Celery's pool. It also does what no
    message of ours needs: delays, expiry, rate limits.
    """
    events = consumer.event_dispatcher

    def handle(message: Any, payload: None, ack: Any, reject: Any, callbacks: Any) -> None:
        request = RetryRequest(
            message,
            on_ack=ack,
            on_reject=reject,
            app=app,
            hostname=consumer.hostname,
            eventer=events,
            task=task,
        )
        signals.task_received.send(sender=consumer, request=request)
        request.send_event(
            "task-received", name=request.name, args=request.argsrepr, kwargs=request.kwargsrepr, retries=0
        )
        task_reserved(request)
        consumer.on_task_request(request)

    return handle


class DoneMessages:
    """Acknowledges messages in the event loop, those that were done meanwhile in one batch."""

    def __init__(self) -> None:
        self._done: deque[RetryRequest] = deque()
        # Runs a function in the event loop. Replaced when there is one.
        self.call_soon: Callable[[Callable[[], None]], object] = lambda run: run()

    def add(self, request: RetryRequest) -> None:
        """Acknowledge it soon. Safe for threads; never waits."""
        self._done.append(request)
        # For each message: kombu's event loop forgets the rest of a turn's calls if one of them raises.
        self.call_soon(self._acknowledge)

    def _acknowledge(self) -> None:
        batch = []
        while self._done:
            batch.append(self._done.popleft())
        if not batch:
            return
        for request in batch:
            request.report_done()
        reach("before", "acknowledge")
        acknowledge_all([request.message for request in batch])
        reach("after", "acknowledge")


@functools.cache  # Celery calls `cancel` for each payment in progress; this runs once.
def end_at_next_signal() -> None:
    """Log what the worker waits for, and let the next signal end the process at once.

    Celery would try to kill the threads that charge, but threads cannot be killed. A call in progress ends by its
    timeout. If the process ends earlier, that is like a crash: the next worker finishes the orders.
    """
    log.warning(
        "ending: payments in progress end by their timeout. Another Ctrl-C ends the worker at once; the next worker "
        "then finishes them"
    )
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
