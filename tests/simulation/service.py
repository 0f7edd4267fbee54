"""The payment service, with a ledger of its own: what it has charged is the truth that orders are held against."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from breakwall.payments.decisions import STORED_ERRORS
from breakwall.payments.gateways import ChargeRequest, GatewayProfile
from tests.simulation.engine import Engine
from tests.simulation.faults import Faults
from tests.simulation.story import Story, Violation


@dataclass(frozen=True)
class Reply:
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answering = Callable[[Reply], None]


@dataclass(frozen=True)
class Habits:
    """How a payment service behaves: what it promises (``profile``), and what it does besides.

    Attributes:
        stores_errors: a 5xx is an answer like any other: the key replays it (Stripe).
        shows_processing: a look-up tells of a charge that is under way; otherwise there is none yet.
        shows_declines: a look-up finds declined charges.
        look_up_works: whether there is anything behind the address of the look-up.
        no_look_up: what answers there where there is nothing.
    """

    name: str
    profile: GatewayProfile
    stores_errors: bool
    shows_processing: bool
    shows_declines: bool
    look_up_works: bool
    no_look_up: Reply


@dataclass
class Execution:
    """One time that the service has gone to work on a request. ``charge_id`` is there once money has moved."""

    request: ChargeRequest
    begun_at: float
    visible_at: float = float("inf")
    charge_id: str | None = None
    declined: bool = False
    answer: Reply | None = None


class PaymentService:
    """Charges. Requests come in through `charge` and `look_up`, each with a way to answer.

    Attributes:
        charges: every execution in which money moved, by order.
    """

    def __init__(self, engine: Engine, faults: Faults, rng: Random, story: Story, habits: Habits) -> None:
        self.habits = habits
        self.charges: dict[str, list[Execution]] = defaultdict(list)
        self._executions: dict[str, list[Execution]] = defaultdict(list)
        self._replays: Counter[str] = Counter()
        self._engine = engine
        self._faults = faults
        self._rng = rng
        self._story = story

    def charge(self, request: ChargeRequest, limit: float, answer: Answering) -> None:
        """Take a request. What it leads to is done and visible before the moment ``limit``."""
        refusal = self._refusal() or self._bad_request()
        if refusal is not None:
            answer(refusal)
            return
        known = self._remembered(request)
        if known is None:
            self._execute(request, limit, answer)
        elif known.request != request:
            raise Violation(f"the key {request.idempotency_key} came with another payload: {request}")
        elif known.answer is None:
            answer(_json(409, code="key_in_use"))
        else:
            self._replay(request.idempotency_key, known.answer, answer)

    def look_up(self, key: str, answer: Answering) -> None:
        """Say what became of a key."""
        refusal = self._refusal()
        if not self.habits.look_up_works:
            refusal = refusal or self.habits.no_look_up
        answer(refusal or self._sight(key))

    def _replay(self, key: str, stored: Reply, answer: Answering) -> None:
        self._story.tell("payment service", f"replays {stored.status} to {key}")
        if stored.status >= 500 and self._faults.calm and self.habits.look_up_works:
            self._replays[key] += 1
            if self._replays[key] > STORED_ERRORS:
                raise Violation(f"the stored error of {key} is asked for again and again")
        answer(stored)

    def _sight(self, key: str) -> Reply:
        seen = [execution for execution in self._executions[key] if execution.visible_at <= self._engine.now]
        for execution in seen:
            if execution.charge_id:
                return _json(200, status="succeeded", charge_id=execution.charge_id)
        if self.habits.shows_declines and any(execution.declined for execution in seen):
            return _json(200, status="declined", code="card_declined")
        if self.habits.shows_processing and any(one.answer is None for one in self._executions[key]):
            return _json(200, status="processing")
        return _json(404, code="no_such_charge")

    def _refusal(self) -> Reply | None:
        """What a service may say before it looks at a request at all."""
        strike = self._faults.strike
        if "way to the payment service lost" in self._faults.down:
            # What an API gateway says that has lost its route; other things than the service answer here.
            return _json(404, message="no Route matched with those values")
        if "payment service failing" in self._faults.down and self._rng.random() < 0.8:
            return self._broken()
        if strike("503 with Retry-After"):
            return _json(503, retry_after=self._rng.uniform(1, 40))
        if strike("throttled"):
            return _json(429)
        if strike("throttled with Retry-After"):
            return _json(429, retry_after=self._rng.uniform(1, 40))
        return None

    def _bad_request(self) -> Reply | None:
        if self._faults.strike("credentials refused"):
            return _json(401)
        if self._faults.strike("request refused"):
            return _json(400, code="bad_request")
        return None

    def _remembered(self, request: ChargeRequest) -> Execution | None:
        executions = self._executions[request.idempotency_key]
        if not self.habits.profile.deduplicates or not executions:
            return None
        newest = executions[-1]
        forgotten = self._engine.now >= newest.begun_at + self.habits.profile.key_life
        return None if forgotten else newest

    def _execute(self, request: ChargeRequest, limit: float, answer: Answering) -> None:
        execution = Execution(request, self._engine.now)
        self._executions[request.idempotency_key].append(execution)
        slow = self._faults.strike("charging takes long")
        seconds = self._rng.uniform(0, 15) if slow else self._rng.uniform(0.01, 0.3)
        done_at = max(self._engine.now, min(self._engine.now + seconds, limit))
        self._engine.at(done_at, lambda: self._finish(execution, limit, answer))

    def _finish(self, execution: Execution, limit: float, answer: Answering) -> None:
        key = execution.request.idempotency_key
        if self._faults.strike("5xx before charging"):
            execution.answer = self._broken()
            answer(execution.answer)
            if not self.habits.stores_errors:
                self._executions[key].remove(execution)
            return
        execution.visible_at = self._visible_from(limit)
        if self._faults.strike("declined"):
            execution.declined = True
            self._story.tell("payment service", f"declines {key}")
            execution.answer = _json(402, status="declined", code="card_declined")
            answer(execution.answer)
            return
        self._move_money(execution)
        paid = _json(200, status="succeeded", charge_id=execution.charge_id)
        failing = self._faults.strike("5xx after charging")
        said = self._broken() if failing else paid
        execution.answer = said if self.habits.stores_errors else paid
        answer(said)

    def _visible_from(self, limit: float) -> float:
        """Look-ups may lag behind, but never more than the settle time behind an answer."""
        now = self._engine.now
        return self._rng.uniform(now, max(now, min(limit, now + self.habits.profile.settle_seconds - 0.01)))

    def _move_money(self, execution: Execution) -> None:
        request = execution.request
        execution.charge_id = f"ch_{sum(map(len, self.charges.values())) + 1}"
        self.charges[request.order_id].append(execution)
        self._story.tell("payment service", f"CHARGES {request.idempotency_key} as {execution.charge_id}")
        if len(self.charges[request.order_id]) > 1:
            raise Violation(f"order {request.order_id} was charged twice")

    def _broken(self) -> Reply:
        if self._faults.strike("5xx with the service's own code"):
            return _json(500, code="internal_error")
        return _json(self._rng.choice((500, 502, 503)))


def _json(http_status: int, *, retry_after: float | None = None, **said: object) -> Reply:
    headers = {"content-type": "application/json"}
    if retry_after is not None:
        headers["retry-after"] = str(int(retry_after))
    return Reply(http_status, json.dumps(said).encode(), headers)
