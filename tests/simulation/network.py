"""The way to the payment service and back, and the gateway at this end of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from breakwall.payments.gateways import Answer, ChargeRequest, GatewayProfile, LookUpAnswer
from breakwall.payments.gateways.answers import (
    DeadlinePassedError,
    Phase,
    PoolFullError,
    classify,
    classify_error,
)
from breakwall.payments.gateways.base import LookUpResult, Outcome
from breakwall.payments.gateways.lookup_answers import classify_look_up, classify_look_up_error
from tests.simulation.engine import Engine, Task
from tests.simulation.faults import Faults
from tests.simulation.service import PaymentService
from tests.simulation.story import Story
from tests.simulation.wire import Answering, Reply
from tests.simulation.witness import Witness

BRIEF = 0.01
"""Seconds: the database's clock tells a thousandth apart, and what settles does so clearly before it has to."""


@dataclass(frozen=True)
class Failure:
    """A call that ended without an answer."""

    error: Exception
    phase: Phase


@dataclass
class Call:
    """A request that has left, and the caller that waits for what comes back, until ``ends_at``."""

    task: Task
    ends_at: float
    result: Reply | Failure | None = None
    waits: bool = True


class Clock(Protocol):
    """A process, as far as its clock goes."""

    def monotonic(self) -> float: ...


class Network:
    """Carries requests from a process to the payment service, and answers back, both unreliably."""

    def __init__(
        self, engine: Engine, faults: Faults, rng: Random, story: Story, service: PaymentService
    ) -> None:
        self._engine = engine
        self._faults = faults
        self._rng = rng
        self._story = story
        self.service = service

    def ask(
        self,
        clock: Clock,
        deadline: float,
        leave: Callable[[float], None],
        arrive: Callable[[float, Answering], None],
    ) -> Reply | Failure:
        """Send a request and wait for the answer, until ``deadline`` on the process's own clock.

        Args:
            leave: called when the first byte leaves, with the moment until which the caller waits.
            arrive: hands the request to the service, with the moment by which its effects are complete.
        """
        task = self._engine.current
        assert task is not None
        unsent = self._connect(clock, deadline)
        if unsent is not None:
            self._story.tell(task.name, f"sends nothing: {type(unsent.error).__name__}")
            return unsent
        call = Call(task, self._engine.now + deadline - clock.monotonic())
        leave(call.ends_at)
        self._transmit(call, arrive)
        while call.result is None and self._engine.now < call.ends_at:
            self._engine.park(call.ends_at - self._engine.now)
        call.waits = False
        # Whoever was paused past the deadline may find the answer waiting, or not look at it any more.
        if call.result is None or (self._engine.now > call.ends_at and self._rng.random() < 0.5):
            return Failure(TimeoutError(), Phase.SENT)
        return call.result

    def _connect(self, clock: Clock, deadline: float) -> Failure | None:
        if clock.monotonic() >= deadline:
            return Failure(DeadlinePassedError(), Phase.WAITING)
        if self._faults.strike("no free connection"):
            self._engine.sleep(min(1.0, deadline - clock.monotonic()))
            return Failure(PoolFullError(), Phase.WAITING)
        self._engine.sleep(self._rng.uniform(0.0, 0.05))
        if "payment service down" in self._faults.down or self._faults.strike("connection refused"):
            return Failure(ConnectionRefusedError(), Phase.CONNECTING)
        # The last look at the clock before the first byte: past the deadline nothing is sent.
        if clock.monotonic() >= deadline:
            return Failure(TimeoutError(), Phase.CONNECTING)
        return None

    def _transmit(self, call: Call, arrive: Callable[[float, Answering], None]) -> None:
        now, ends_at = self._engine.now, call.ends_at
        if self._faults.strike("connection reset"):
            ends_at = self._cut(call, Failure(ConnectionResetError(), Phase.SENT))
        elif self._faults.strike("proxy's time-out, charging goes on"):
            ends_at = self._cut(call, Reply(504))
        if self._faults.strike("request lost"):
            return
        # By then everything that the request leads to is done and can be looked up: the promise of a profile.
        limit = max(now, ends_at + self.service.habits.profile.settle_seconds - BRIEF)
        if self._faults.strike("request late, past the caller's time-out"):
            arrives_at = self._rng.uniform(min(ends_at, limit), limit)
        elif self._faults.strike("request slow"):
            arrives_at = now + self._rng.uniform(0.0, 12.0)
        else:
            arrives_at = now + self._rng.uniform(0.001, 0.05)
        self._engine.at(
            min(arrives_at, limit), lambda: arrive(limit, lambda reply: self._answer(call, reply))
        )

    def _cut(self, call: Call, result: Reply | Failure) -> float:
        ends_at = min(self._engine.now + self._rng.uniform(0.02, 3.0), call.ends_at)
        self._engine.at(ends_at, lambda: self._deliver(call, result))
        return ends_at

    def _answer(self, call: Call, reply: Reply) -> None:
        strike = self._faults.strike
        if strike("answer lost"):
            return
        seconds = self._rng.uniform(0.0, 12.0) if strike("answer slow") else self._rng.uniform(0.001, 0.05)
        result: Reply | Failure = reply
        if strike("answer is garbage"):
            result = (
                Failure(ValueError(), Phase.SENT) if self._rng.random() < 0.5 else Reply(200, b"\x00\xff{")
            )
        elif strike("answer is a web page"):
            result = Reply(reply.status, b"<html>", {"content-type": "text/html"})
        self._engine.after(seconds, lambda: self._deliver(call, result))

    def _deliver(self, call: Call, result: Reply | Failure) -> None:
        if call.waits and call.result is None:
            call.result = result
            self._engine.wake(call.task)


class SimulatedGateway:
    """The HTTP gateway of one process, with its real reading of answers, over the simulated network."""

    def __init__(self, clock: Clock, network: Network, witness: Witness) -> None:
        self._clock = clock
        self._network = network
        self._witness = witness

    @property
    def profile(self) -> GatewayProfile:
        return self._network.service.habits.profile

    def charge(self, request: ChargeRequest, *, deadline: float) -> Answer:
        service = self._network.service
        self._witness.charge_asked(request)
        result = self._network.ask(
            self._clock,
            deadline,
            lambda ends_at: self._witness.leaves(request, ends_at),
            lambda limit, answer: service.charge(request, limit, answer),
        )
        if isinstance(result, Failure):
            return classify_error(result.error, result.phase)
        if result.status >= 500:
            service.error_heard(request)
        answer = classify(result.status, result.headers, result.body, now=0.0)
        if answer.outcome in {Outcome.SUCCEEDED, Outcome.DECLINED}:
            self._listen(answer, request)
        return answer

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookUpAnswer:
        service = self._network.service
        result = self._network.ask(
            self._clock,
            deadline,
            lambda ends_at: self._witness.leaves(None, ends_at),
            lambda limit, answer: service.look_up(idempotency_key, answer),
        )
        if isinstance(result, Failure):
            return classify_look_up_error(result.error, result.phase)
        answer = classify_look_up(result.status, result.headers, result.body, now=0.0)
        request = self._witness.looks_up(idempotency_key)
        if request is not None and answer.result in {LookUpResult.SUCCEEDED, LookUpResult.DECLINED}:
            self._listen(answer, request)
        return answer

    def _listen(self, answer: Answer | LookUpAnswer, request: ChargeRequest) -> None:
        if self._network.service.books.misleads(answer.charge_id, answer.details, request):
            self._witness.misled_about(request.order_id)

    def close(self) -> None:
        """Nothing is open."""
