"""The objects of one worker process, built once from the settings."""

import logging
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from breakwall.breaker import CircuitBreaker
from breakwall.broker.config import TASK
from breakwall.broker.depth import QueueDepth
from breakwall.broker.embedded.broker import EmbeddedBroker, start_embedded_broker
from breakwall.broker.messages.strange import StrangeMessage
from breakwall.broker.publisher import Publisher
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.log_throttle import throttled
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.pruning import Pruning
from breakwall.settings import DAY, Settings
from breakwall.wiring import log_circuit, open_breaker, open_charger, open_database, open_ledger
from breakwall.worker.background.dispatch_loop import DispatchLoop
from breakwall.worker.background.heartbeat import Heartbeat
from breakwall.worker.background.pruning import PruningStep
from breakwall.worker.background.strange_messages import StrangeMessageRecorder
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.gate import Gate
from breakwall.worker.intake import Intake, IntakeLoop
from breakwall.worker.log.backlog import BacklogLog
from breakwall.worker.log.orders import OrderLog
from breakwall.worker.message import DoneMessages
from breakwall.worker.retry import Retrier
from breakwall.worker.thread_drain import ThreadDrain, thread_drain

log = logging.getLogger("breakwall.worker")

# Why a message in our form can be strange: two sites that share a broker take each other's messages. Each site
# republishes its order a minute later.
UNKNOWN_ORDER = "its order is not in this database"


class Runtime:
    """The worker's objects. Those with a connection or a thread are built at first use; before it, a fork is safe."""

    drain: ThreadDrain
    intake: Intake

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.monotonic = time.monotonic
        self._embedded_broker: EmbeddedBroker | None = None
        self.exhaustion = ResourceExhaustion(time.monotonic, on_change=self._on_exhaustion)
        self.exhaustion_retry = ExhaustionRetry(self.exhaustion)
        self.done_messages = DoneMessages()

    @cached_property
    def database(self) -> Database:
        return open_database(self.settings)

    @cached_property
    def breaker(self) -> CircuitBreaker:
        breaker = open_breaker(self.settings)
        log_circuit(self.settings, breaker, self.charger)
        return breaker

    @cached_property
    def charger(self) -> Charger:
        return open_charger(self.settings, open_ledger(self.settings, self.database))

    @cached_property
    def retrier(self) -> Retrier:
        return Retrier(self.charger, self.breaker, timeout=self.settings.payment_timeout)

    @cached_property
    def gate(self) -> Gate:
        return Gate(self.breaker)

    def open_intake(self, worker: Any) -> IntakeLoop:
        """Build the drain and the intake of a Celery worker; returns the loop that refreshes the intake."""
        self.drain = thread_drain(worker, worker.app.tasks[TASK].run, lambda: self.intake.on_change())
        self.intake = Intake(self.gate, self.drain)
        loop = IntakeLoop(self.intake)
        self.breaker.listen(loop.wake)
        return loop

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.settings)

    @cached_property
    def depth(self) -> QueueDepth:
        return QueueDepth(self.settings)

    def dispatch_loop(self) -> DispatchLoop:
        dispatcher = Dispatcher(
            DispatchQueue(self.database),
            self.gate,
            self.publisher,
            self.depth,
            self.settings.dispatch,
            held=lambda: self.drain.held,
            on_blocked=self.heartbeat.mark_busy,
            prune=self._prune(),
        )
        backlog_log = BacklogLog(
            self.database, self.breaker, self.depth, publishing_fails=lambda: self.publisher.failing
        )
        return DispatchLoop(
            dispatcher,
            interval=self.settings.dispatch.interval,
            batch=self.settings.dispatch.batch,
            report=throttled(log.warning),
            exhaustion=self.exhaustion,
            after_run=backlog_log.run_once,
        )

    def _prune(self) -> Callable[[], object]:
        retention = self.settings.retention
        if retention.days is None:
            return lambda: None
        pruning = Pruning(self.database, keys_for=retention.keys_days * DAY)
        return PruningStep(pruning, retention.days * DAY).run_once

    @cached_property
    def heartbeat(self) -> Heartbeat:
        return Heartbeat(self.database, on_exhaustion=self.exhaustion.report)

    @cached_property
    def order_log(self) -> OrderLog:
        return OrderLog(self.database, self.breaker, on_unknown_order=self._on_unknown_order)

    @cached_property
    def strange_messages(self) -> StrangeMessageRecorder:
        return StrangeMessageRecorder(lambda: self.database)

    def start_embedded_broker(self) -> None:
        """Run the embedded broker, or use the one that another worker runs."""
        self._embedded_broker = start_embedded_broker(self.settings)

    def close(self) -> None:
        """Send the breaker's last reports to its store, and close what was opened."""
        opened = self.__dict__
        if "heartbeat" in opened:
            self.heartbeat.stop()
        if "charger" in opened:
            self.charger.gateway.close()
        for name in ("strange_messages", "breaker", "publisher", "depth", "database"):
            if name in opened:
                opened[name].close()
        if self._embedded_broker is not None:
            self._embedded_broker.stop()

    def _on_unknown_order(self, order_id: str) -> None:
        self.strange_messages.record(StrangeMessage(UNKNOWN_ORDER, None, order_id))

    def _on_exhaustion(self, resource: str | None) -> None:
        self.heartbeat.set_exhausted(None if resource is None else f"no {resource} left")
