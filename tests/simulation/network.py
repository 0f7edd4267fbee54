"""The network between the product and the payment service, and the gateway at the product's end."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, GatewayProfile, LookupAnswer
from breakwall.payments.gateways.base import Health, LookupResult, Outcome, Prepared
from breakwall.payments.gateways.charge_answers import classify_charge, classify_charge_error
from breakwall.payments.gateways.lookup_answers import classify_lookup, classify_lookup_error
from breakwall.payments.gateways.transport.errors import DeadlinePassedError, Phase, PoolFullError
from tests.simulation.engine import Task
from tests.simulation.observer import RunObserver
from tests.simulation.service import SimulatedService
from tests.simulation.wire import REPLAYED, SendReply, ServiceReply
from tests.simulation.world import Part, World

BRIEF = 0.01
"""Seconds. The database's clock counts in thousandths, so effects are complete clearly before their limit."""


@dataclass(frozen=True)
class Failure:
    """A call that ended without an answer."""

    error: Exception
    phase: Phase


@dataclass
class PendingCall:
    """A request that has left, and the caller that waits for what comes back, until ``ends_at``."""

    task: Task
    ends_at: float
    result: ServiceReply | Failure | None = None
    waits: bool = True


class ProcessClock(Protocol):
    """The clock of a process."""

    def monotonic(self) -> float: ...


class Network(Part):
    """Carries requests from a process to the payment service, and answers back, both unreliably."""

    def __init__(self, world: World, service: SimulatedService) -> None:
        super().__init__(world)
        self.service = service

    def ask(
        self,
        clock: ProcessClock,
        deadline: float,
        leave: Callable[[float], None],
        arrive: Callable[[float, SendReply], None],
    ) -> ServiceReply | Failure:
        """Send a request and wait for the answer, until ``deadline`` on the process's own clock.

        Args:
            leave: called when the first byte leaves, with the moment until which the caller waits.
            arrive: hands the request to the service, with the moment by which its effects are complete.
        """
        task = self._engine.task
        unsent = self._connect(clock, deadline)
        if unsent is not None:
            self._trace.record(task.name, f"sends nothing: {type(unsent.error).__name__}")
            return unsent
        call = PendingCall(task, self._engine.now + deadline - clock.monotonic())
        leave(call.ends_at)
        self._transmit(call, arrive)
        while call.result is None and self._engine.now < call.ends_at:
            self._engine.park(call.ends_at - self._engine.now)
        call.waits = False
        # A caller that was paused past the deadline may read the answer that waits, or give up.
        if call.result is None or (self._engine.now > call.ends_at and self._rng.random() < 0.5):
            return Failure(TimeoutError(), Phase.SENT)
        return call.result

    def _connect(self, clock: ProcessClock, deadline: float) -> Failure | None:
        if clock.monotonic() >= deadline:
            return Failure(DeadlinePassedError(), Phase.WAITING)
        if self._faults.occurs("no free connection"):
            self._engine.sleep(min(1.0, deadline - clock.monotonic()))
            return Failure(PoolFullError(), Phase.WAITING)
        self._engine.sleep(self._rng.uniform(0.0, 0.05))
        if "payment service down" in self._faults.down or self._faults.occurs("connection refused"):
            return Failure(ConnectionRefusedError(), Phase.CONNECTING)
        # The last look at the clock before the first byte: past the deadline nothing is sent.
        if clock.monotonic() >= deadline:
            return Failure(TimeoutError(), Phase.CONNECTING)
        return None

    def _transmit(self, call: PendingCall, arrive: Callable[[float, SendReply], None]) -> None:
        now, ends_at = self._engine.now, call.ends_at
        if self._faults.occurs("connection reset"):
            ends_at = self._cut(call, Failure(ConnectionResetError(), Phase.SENT))
        elif self._faults.occurs("proxy's timeout, charging continues"):
            ends_at = self._cut(call, ServiceReply(504))
        if self._faults.occurs("request lost"):
            return
        # The profile guarantees that by then each effect of the request is complete and can be looked up.
        limit = max(now, ends_at + self.service.behavior.profile.absent_after - BRIEF)
        if self._faults.occurs("request late, past the caller's timeout"):
            arrives_at = self._rng.uniform(min(ends_at, limit), limit)
        elif self._faults.occurs("request slow"):
            arrives_at = now + self._rng.uniform(0.0, 12.0)
        else:
            arrives_at = now + self._rng.uniform(0.001, 0.05)
        self._engine.at(
            min(arrives_at, limit), lambda: arrive(limit, lambda reply: self._answer(call, reply))
        )

    def _cut(self, call: PendingCall, result: ServiceReply | Failure) -> float:
        ends_at = min(self._engine.now + self._rng.uniform(0.02, 3.0), call.ends_at)
        self._engine.at(ends_at, lambda: self._deliver(call, result))
        return ends_at

    def _answer(self, call: PendingCall, reply: ServiceReply) -> None:
        occurs = self._faults.occurs
        if "payment service hangs" in self._faults.down or occurs("answer lost"):
            return
        seconds = self._rng.uniform(0.0, 12.0) if occurs("answer slow") else self._rng.uniform(0.001, 0.05)
        result: ServiceReply | Failure = reply
        if occurs("answer is garbage"):
            result = (
                Failure(ValueError(), Phase.SENT)
                if self._rng.random() < 0.5
                else ServiceReply(200, b"\x00\xff{")
            )
        elif occurs("answer is a web page"):
            result = ServiceReply(reply.status, b"<html>", {"content-type": "text/html"})
        self._engine.after(seconds, lambda: self._deliver(call, result))

    def _deliver(self, call: PendingCall, result: ServiceReply | Failure) -> None:
        if call.waits and call.result is None:
            call.result = result
            self._engine.wake(call.task)


class SimulatedGateway:
    """The HTTP gateway of one process over the simulated network. The product's own code reads the answers."""

    def __init__(self, clock: ProcessClock, network: Network, observer: RunObserver) -> None:
        self._clock = clock
        self._network = network
        self._observer = observer

    @property
    def profile(self) -> GatewayProfile:
        return self._network.service.behavior.profile

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        service = self._network.service
        self._observer.charge_asked(request)
        result = self._network.ask(
            self._clock,
            deadline,
            lambda ends_at: self._observer.leaves(request, ends_at),
            lambda limit, answer: service.charge(request, limit, answer),
        )
        if isinstance(result, Failure):
            return classify_charge_error(result.error, result.phase)
        if result.status >= 500:
            service.error_heard(request)
        answer = classify_charge(result.status, result.headers, result.body, now=0.0)
        if answer.outcome in {Outcome.SUCCEEDED, Outcome.DECLINED}:
            self._listen(answer, request)
        return answer

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        service = self._network.service
        result = self._network.ask(
            self._clock,
            deadline,
            lambda ends_at: self._observer.leaves(None, ends_at),
            lambda limit, answer: service.look_up(idempotency_key, answer),
        )
        if isinstance(result, Failure):
            return classify_lookup_error(result.error, result.phase)
        answer = classify_lookup(result.status, result.headers, result.body, now=0.0)
        request = self._observer.looks_up(idempotency_key)
        if request is not None and answer.result in {LookupResult.SUCCEEDED, LookupResult.DECLINED}:
            self._listen(answer, request)
        return answer

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        self._observer.charge_asked(request)
        result = self._ask_about(lambda _, answer: self._network.service.prepare(request, answer), deadline)
        if isinstance(result, Failure):
            return classify_charge_error(result.error, result.phase)
        fields = _fields(result)
        if "id" in fields:
            return Prepared(str(fields["id"]))
        answer = classify_charge(result.status, result.headers, result.body, now=0.0)
        return replace(answer, replayed=REPLAYED.items() <= result.headers.items())

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        service = self._network.service
        return self._state(
            self._ask_about(lambda _, answer: service.look_up_prepared(prepared, answer), deadline)
        )

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        if self.profile.prepares and request.prepared is None:
            return LookupAnswer(LookupResult.UNAVAILABLE, Health.NEUTRAL, code="needs_an_id")
        return self._state(
            self._ask_about(lambda _, answer: self._network.service.cancel(request, answer), deadline)
        )

    def _ask_about(
        self, arrive: Callable[[float, SendReply], None], deadline: float
    ) -> ServiceReply | Failure:
        """Ask something that charges nothing."""
        return self._network.ask(
            self._clock, deadline, lambda ends_at: self._observer.leaves(None, ends_at), arrive
        )

    def _state(self, result: ServiceReply | Failure) -> LookupAnswer:
        if isinstance(result, Failure):
            return classify_lookup_error(result.error, result.phase)
        status = _fields(result).get("status")
        if result.status == 200 and status in {LookupResult.PREPARED, LookupResult.CANCELLED}:
            return LookupAnswer(LookupResult(str(status)), Health.SUCCESS)
        return classify_lookup(result.status, result.headers, result.body, now=0.0)

    def _listen(self, answer: ChargeAnswer | LookupAnswer, request: ChargeRequest) -> None:
        if self._network.service.ledger.misleads(answer.charge_id, answer.details, request):
            self._observer.misled_about(request.order_id)

    def close(self) -> None:
        """Nothing is open."""


def _fields(reply: ServiceReply) -> dict[str, object]:
    """The fields of a JSON object; none of anything else."""
    try:
        found = json.loads(reply.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
