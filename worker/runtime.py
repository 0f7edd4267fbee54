"""What one worker process works with, built once from the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property

from breakwall.breaker import CircuitBreaker
from breakwall.broker import EmbeddedBroker, Publisher, QueueDepth, start_embedded_broker
from breakwall.broker.messages import StrangeMessage
from breakwall.host.exhaustion import Lacks
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.dispatch_queue import DueOrders
from breakwall.payments.ledger.pruning import Pruning
from breakwall.settings import DAY, Settings
from breakwall.wiring import log_circuit, open_breaker, open_charger, open_database, open_ledger
from breakwall.worker.backlog_log import BacklogLog
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.exhaustion import Patience
from breakwall.worker.heartbeat import Heartbeat
from breakwall.worker.outcome_log import Telling
from breakwall.worker.pruning import PruningStep
from breakwall.worker.retry import Retrier
from breakwall.worker.strange_messages import StrangeBox

ANOTHER_SITES = "its order is not in this database"
"""Of a message in our form. Two sites on one broker take each other's, and each is sent again a minute later."""


class Runtime:
    """The worker's collaborators. Nothing is opened before it is used; a fork is safe at any time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._embedded_broker: EmbeddedBroker | None = None
        self.lacks = Lacks(time.monotonic, hear=self._tell_lack)
        self.patience = Patience(self.lacks)

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
    def publisher(self) -> Publisher:
        return Publisher(self.settings)

    @cached_property
    def depth(self) -> QueueDepth:
        return QueueDepth(self.settings)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            DueOrders(self.database),
            self.breaker,
            self.publisher,
            self.depth,
            self.settings.dispatch,
            held_back=self.heartbeat.busy,
            **self._prunes(),
        )

    def _prunes(self) -> dict[str, Callable[[], object]]:
        chosen = self.settings.retention
        if chosen.days is None:
            return {}
        pruning = Pruning(self.database, keys_for=chosen.keys_days * DAY)
        return {"prune": PruningStep(pruning, chosen.days * DAY).run_once}

    @cached_property
    def heartbeat(self) -> Heartbeat:
        return Heartbeat(self.database, short=self.lacks.report)

    @cached_property
    def backlog_log(self) -> BacklogLog:
        return BacklogLog(self.database, self.breaker, self.depth, refused=lambda: self.publisher.failing)

    @cached_property
    def telling(self) -> Telling:
        return Telling(self.database, self.breaker, stray=self._tell_stray)

    @cached_property
    def strange(self) -> StrangeBox:
        return StrangeBox(lambda: self.database)

    def _tell_stray(self, order_id: str) -> None:
        self.strange.put(StrangeMessage(ANOTHER_SITES, None, order_id))

    def _tell_lack(self, lack: str | None) -> None:
        self.heartbeat.lacks(None if lack is None else f"no {lack} left")

    def start_embedded_broker(self) -> None:
        """Run the broker that is used when none is configured, or share another worker's."""
        self._embedded_broker = start_embedded_broker(self.settings)

    def close(self) -> None:
        """Hand in what the breaker has still to tell the others, and close what was opened."""
        opened = self.__dict__
        if "heartbeat" in opened:
            self.heartbeat.stop()
        if "charger" in opened:
            self.charger.gateway.close()
        for name in ("strange", "breaker", "publisher", "depth", "database"):
            if name in opened:
                opened[name].close()
        if self._embedded_broker is not None:
            self._embedded_broker.stop()
