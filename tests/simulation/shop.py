"""The shop, which is told how its orders ended: it takes events, or fails, and remembers what it took."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from breakwall.payments.gateways.transport.connections import Reply, Request
from breakwall.payments.gateways.transport.deadline import Call
from breakwall.payments.gateways.transport.errors import ConnectError, ReadError, ReadTimeout
from tests.simulation.engine import Task
from tests.simulation.network import ProcessClock
from tests.simulation.wire import ServiceReply
from tests.simulation.world import Part, World

WEBHOOK, LISTENER = "webhook", "listener"
DOWN = "shop down"

Answer = Callable[[ServiceReply], None]


@dataclass(frozen=True)
class Receipt:
    """The shop has taken an event."""

    place: int  # The number of events that it had taken before by this way.
    document: dict[str, Any]


class Shop(Part):
    """Takes events by each way.

    Attributes:
        first: by way, the first receipt of each event by its id.
        lost_events: the ids of events that the database has lost by a restore.
        problems: what must never happen and did.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.first: dict[str, dict[str, Receipt]] = defaultdict(dict)
        self.lost_events: set[str] = set()
        self.problems: list[str] = []
        self._count = 0
        self._texts: dict[tuple[str, str], str] = {}

    def take(self, way: str, event_id: str, text: str) -> None:
        """Remember an event. The same event always has the same text."""
        self._count += 1
        self._trace.record("shop", f"takes {event_id} by {way}")
        if self._texts.setdefault((way, event_id), text) != text:
            self.problems.append(f"event {event_id} was {self._texts[way, event_id]}, and is now {text}")
        if event_id in self.first[way]:
            self._faults.seen["event taken twice"] += 1
        else:
            self.first[way][event_id] = Receipt(self._count, json.loads(text))

    def post(self, request: Request, answer: Answer) -> None:
        """A request has arrived at the webhook."""
        occurs = self._faults.occurs
        if occurs("shop says that it is gone"):
            answer(ServiceReply(410))
        elif occurs("shop answers 503 with Retry-After"):
            answer(ServiceReply(503, headers={"retry-after": str(self._rng.randint(1, 90))}))
        elif occurs("shop answers 500"):
            answer(ServiceReply(500))
        else:
            self.take(WEBHOOK, request.headers["webhook-id"], request.body.decode())
            answer(ServiceReply(500 if occurs("shop answers 500 to an event that it took") else 204))

    def hear(self, document: dict[str, Any]) -> None:
        """The shop's own callable, which runs in a worker."""
        occurs, sleep = self._faults.occurs, self._engine.sleep
        sleep(self._rng.uniform(0.0, 0.05))
        if DOWN in self._faults.down or occurs("listener raises"):
            raise RuntimeError
        hangs = self._rng.uniform(16.0, 300.0) if occurs("listener hangs") else 0.0
        if hangs and self._rng.random() < 0.5:
            sleep(hangs)
        self.take(LISTENER, document["id"], json.dumps(document))
        sleep(hangs)
        if occurs("listener raises after it took the event"):
            raise RuntimeError


@dataclass
class _Exchange:
    """A request on its way, and the caller that waits for its answer."""

    task: Task
    result: ServiceReply | Exception | None = None
    waits: bool = True


class ShopConnections(Part):
    """What a webhook's connections are: they carry one process's requests to the shop, and answers back."""

    def __init__(self, world: World, clock: ProcessClock, shop: Shop) -> None:
        super().__init__(world)
        self._clock, self._shop = clock, shop

    def exchange(self, request: Request, max_body: int, call: Call, route: object) -> Reply:
        """Raises as `ConnectionPool.exchange` does."""
        ends_at = self._engine.now + call.deadline - self._clock.monotonic()
        self._connect()
        under_way = _Exchange(self._engine.task)
        for _ in range(2 if self._faults.occurs("event doubled on its way") else 1):
            self._send(request, under_way)
        while under_way.result is None and self._engine.now < ends_at:
            self._engine.park(ends_at - self._engine.now)
        under_way.waits = False
        if isinstance(under_way.result, ServiceReply):
            return Reply(under_way.result.status, under_way.result.headers, b"")
        raise under_way.result or ReadTimeout

    def close(self) -> None:
        """Nothing is open."""

    def _connect(self) -> None:
        self._engine.sleep(self._rng.uniform(0.0, 0.05))
        if DOWN in self._faults.down or self._faults.occurs("shop refuses the connection"):
            raise ConnectError

    def _send(self, request: Request, under_way: _Exchange) -> None:
        if self._faults.occurs("event lost on its way"):
            return
        answer = partial(self._answer, under_way)
        self._engine.after(self._seconds("event slow"), lambda: self._shop.post(request, answer))

    def _answer(self, under_way: _Exchange, reply: ServiceReply) -> None:
        if self._faults.occurs("shop's answer lost"):
            return
        result = ReadError() if self._faults.occurs("shop resets the connection") else reply
        self._engine.after(self._seconds("shop's answer slow"), lambda: self._deliver(under_way, result))

    def _deliver(self, under_way: _Exchange, result: ServiceReply | Exception) -> None:
        if under_way.waits and under_way.result is None:
            under_way.result = result
            self._engine.wake(under_way.task)

    def _seconds(self, slow: str) -> float:
        return self._rng.uniform(0.0, 20.0) if self._faults.occurs(slow) else self._rng.uniform(0.001, 0.05)
