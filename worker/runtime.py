"""The objects of one worker process, built once from the settings."""

import logging
import time
from collections.abc import Callable
from functools import cached_property

from breakwall.breaker import CircuitBreaker, Event, Hang
from breakwall.broker.depth import QueueDepth
from breakwall.broker.embedded.broker import EmbeddedBroker, start_embedded_broker
from breakwall.broker.messages.strange import StrangeMessage
from breakwall.broker.publisher import Publisher
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.log_throttle import throttled
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.history.sampler import Sampler
from breakwall.payments.charging import Charger
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.released_orders import next_released
from breakwall.payments.gateways import profile_from_settings
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.expiring import Expiring
from breakwall.payments.ledger.pruning import Pruning
from breakwall.settings import DAY, Settings
from breakwall.trace_export import start_tracing
from breakwall.urls.brokers import broker_address
from breakwall.wiring import (
    log_circuit,
    open_breaker,
    open_charger,
    open_database,
    open_delivering,
    open_ledger,
)
from breakwall.worker.background.backlog_counter import BacklogCounter
from breakwall.worker.background.bulk_retries import BulkRetryLoop
from breakwall.worker.background.dispatch_loop import DispatchLoop
from breakwall.worker.background.heartbeat import Heartbeat
from breakwall.worker.background.outcome_loop import OutcomeLoop
from breakwall.worker.background.outcome_process import OutcomeProcess
from breakwall.worker.background.outcome_program import ways_of
from breakwall.worker.background.pruning import PruningStep
from breakwall.worker.background.strange_messages import StrangeMessageRecorder
from breakwall.worker.control.hold import Hold
from breakwall.worker.control.reader import DrainStateReader
from breakwall.worker.control.released import ReleasedOrders
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.drain.drain import Drain, open_drain
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.gate import Gate
from breakwall.worker.intake import Intake, IntakeLoop
from breakwall.worker.log.backlog import BacklogLog
from breakwall.worker.log.orders import OrderLog
from breakwall.worker.message import DoneMessages
from breakwall.worker.retry import Retrier

log = logging.getLogger("breakwall.worker")

# Why a message in our form can be strange: two sites that share a broker take each other's messages. Each site
# republishes its order a minute later.
UNKNOWN_ORDER = "its order is not in this database"


class Runtime:
    """The worker's objects. Those with a connection or a thread are built at first use; before it, a fork is safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.slots = 1  # Payments at once; the worker's start sets it.
        self.monotonic = time.monotonic
        self._embedded_broker: EmbeddedBroker | None = None
        self._stop_tracing: Callable[[], None] = lambda: None
        self.exhaustion = ResourceExhaustion(time.monotonic, on_change=self._on_exhaustion)
        self.exhaustion_retry = ExhaustionRetry(self.exhaustion)
        self.done_messages = DoneMessages()

    @cached_property
    def database(self) -> Database:
        return open_database(self.settings, ways=self.settings.outcomes.ways)

    @cached_property
    def breaker(self) -> CircuitBreaker:
        breaker = open_breaker(self.settings)
        log_circuit(self.settings, breaker, self.charger)
        breaker.listen(self._on_circuit)
        return breaker

    @cached_property
    def charger(self) -> Charger:
        return open_charger(self.settings, open_ledger(self.settings, self.database))

    @cached_property
    def retrier(self) -> Retrier:
        return Retrier(self.charger, self.breaker, timeout=self.settings.payment_timeout, hold=self.hold)

    @cached_property
    def drain_state(self) -> DrainStateReader:
        cap = self.breaker.cap_background_rate
        return DrainStateReader(self.database, cap, max_rate=self.settings.retry.max_rate)

    @cached_property
    def hold(self) -> Hold:
        return Hold(self.drain_state.is_paused)

    def released_orders(self) -> ReleasedOrders:
        return ReleasedOrders(self.drain_state.is_paused, self._next_released, self.drain.work_on_released)

    @cached_property
    def gate(self) -> Gate:
        return Gate(self.breaker, self.drain_state.is_paused)

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.gate, self.drain)

    def intake_loop(self) -> IntakeLoop:
        """The loop that refreshes the intake."""
        loop = IntakeLoop(self.intake)
        self.breaker.listen(loop.wake)
        return loop

    @cached_property
    def drain(self) -> Drain:
        """Works on the orders of the messages, so many at once as there are ``slots``."""
        return open_drain(
            self.charger,
            self.breaker,
            self.retrier,
            self._dispatch_queue(),
            self.order_log,
            self.exhaustion_retry,
            self.hold,
            slots=self.slots,
            timeout=self.settings.payment_timeout,
            on_work=self.heartbeat.mark_busy,
            on_room=lambda: self.intake.on_change(),
        )

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.settings)

    @cached_property
    def depth(self) -> QueueDepth:
        return QueueDepth(self.settings)

    def dispatch_loop(self) -> DispatchLoop:
        dispatcher = Dispatcher(
            self._dispatch_queue(),
            self.gate,
            self.publisher,
            self.depth,
            self.settings.dispatch,
            held=lambda: self.drain.held,
            on_blocked=self.heartbeat.mark_busy,
            prune=self._prune(),
            expire=self._expire,
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

    def _dispatch_queue(self) -> DispatchQueue:
        return DispatchQueue(self.database, gateway=self.settings.gateway_name)

    @cached_property
    def outcome_loop(self) -> OutcomeLoop | None:
        """Tells the shop's listener how its orders ended; None without one."""
        delivering = open_delivering(self.settings, self.database, ways=("listener",))
        return None if delivering is None else OutcomeLoop(delivering)

    @cached_property
    def outcome_process(self) -> OutcomeProcess | None:
        """Tells the shop by its other ways; None without them."""
        return OutcomeProcess(self.settings) if ways_of(self.settings) else None

    def _prune(self) -> Callable[[], object]:
        retention = self.settings.retention
        if retention.days is None:
            return lambda: None
        pruning = Pruning(self.database, keys_for=retention.keys_days * DAY)
        return PruningStep(pruning, retention.days * DAY).run_once

    def _expire(self) -> list[str]:
        expired = Expiring(self.database).expire()
        self.order_log.expired(expired)
        return expired

    @cached_property
    def heartbeat(self) -> Heartbeat:
        return Heartbeat(
            self.database,
            gateway=self.settings.gateway_name,
            broker=broker_address(self.settings.broker),
            ways=self.settings.outcomes.ways,
            on_exhaustion=self.exhaustion.report,
        )

    @cached_property
    def backlog_counter(self) -> BacklogCounter:
        return BacklogCounter(self.database)

    @cached_property
    def bulk_retries(self) -> BulkRetryLoop:
        """Works on the retries of all orders that match, which people have made."""
        looks_up = profile_from_settings(self.settings).looks_up
        return BulkRetryLoop(self.database, looks_up=looks_up, gateway=self.settings.gateway_name)

    @cached_property
    def sampler(self) -> Sampler:
        """Samples the backlog's history, if no other process does."""
        monitor = Monitor(self.database, self.breaker, self.depth, max_rate=self.settings.retry.max_rate)
        return Sampler(monitor)

    @cached_property
    def order_log(self) -> OrderLog:
        return OrderLog(self.database, self.breaker, on_unknown_order=self._on_unknown_order)

    @cached_property
    def strange_messages(self) -> StrangeMessageRecorder:
        return StrangeMessageRecorder(lambda: self.database)

    def _next_released(self) -> str | None:
        gateway = self.settings.gateway_name
        return self.database.read(lambda connection: next_released(connection, DATABASE_CLOCK, gateway))

    def start_embedded_broker(self) -> None:
        """Run the embedded broker, or use the one that another worker runs."""
        self._embedded_broker = start_embedded_broker(self.settings)

    def start_tracing(self) -> None:
        """Send spans, if the settings say so; raises `SettingsError` without the extra."""
        self._stop_tracing = start_tracing(self.settings, "worker")

    def ask_drain_to_stop(self) -> None:
        """Begin no more payments; does not wait for those in progress."""
        if "drain" in self.__dict__:
            self.drain.ask_to_stop()

    def stop_drain(self) -> None:
        """Begin no more payments, and wait for those in progress."""
        if "drain" in self.__dict__:
            self.drain.stop()

    def close(self) -> None:
        """Send the breaker's last reports to its store, and close what was opened."""
        opened = self.__dict__
        self._stop_together("backlog_counter", "bulk_retries", "sampler")
        self.stop_drain()
        self._stop_together("outcome_loop", "outcome_process")
        if "heartbeat" in opened:
            self.heartbeat.stop()
        if "charger" in opened:
            self.charger.gateway.close()
        for name in ("strange_messages", "breaker", "publisher", "depth", "database"):
            if name in opened:
                opened[name].close()
        if self._embedded_broker is not None:
            self._embedded_broker.stop()
        self._stop_tracing()

    def _stop_together(self, *names: str) -> None:
        """So that all take as long as the slowest one, not as long as their sum."""
        opened = [one for name in names if (one := self.__dict__.get(name))]
        for one in opened:
            one.ask_to_stop()
        for one in opened:
            one.stop()

    def _on_unknown_order(self, order_id: str) -> None:
        self.strange_messages.record(StrangeMessage(UNKNOWN_ORDER, None, order_id))

    def _on_circuit(self, event: Event) -> None:
        if isinstance(event, Hang):
            self.heartbeat.set_hanging(not event.over)

    def _on_exhaustion(self, resource: str | None) -> None:
        self.heartbeat.set_exhausted(None if resource is None else f"no {resource} left")
