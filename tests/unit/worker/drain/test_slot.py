"""Before a slot sends, it asks the breaker; it waits for it for a moment only."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.breaker import CircuitBreakerError, CircuitState
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.decisions import Progress
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.worker.drain.jobs import Finished, Paid, Retry, Send, Unsent
from breakwall.worker.drain.slot import LONGEST_WAIT, PERMIT_WAIT, Places, Slot
from tests.gateway import PAID
from tests.manual_clock import MonotonicClock
from tests.stepped_drain import SleptAtPlaces

ATTEMPT = Attempt(Claim(ChargeRequest("o1", "u1", 100, "KRW", "k1", "cart-1"), 1, Progress(retries=1)), 1)


class Breaker:
    """Refuses so many calls, each time for ``retry_after`` seconds."""

    def __init__(self, refusals: int, retry_after: float) -> None:
        self.refusals = refusals
        self.retry_after = retry_after
        self.released = 0

    def acquire(self, **_: object) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise CircuitBreakerError("payment", CircuitState.OPEN, self.retry_after)
        return self

    def release(self) -> None:
        self.released += 1


class Case:
    def __init__(self, refusals: int = 0, retry_after: float = 0.0, timeout: float = 10.0) -> None:
        self.clock = MonotonicClock()
        self.breaker = Breaker(refusals, retry_after)
        self.deadlines: list[float] = []
        self.told: list[tuple[Any, ...]] = []
        self.retrier = SimpleNamespace(run=lambda order_id, **how: "queued")
        charger: Any = SimpleNamespace(
            charge=self._charge, trusted=lambda attempt, answer: answer, record=lambda *_: ("paid", None)
        )
        self.slot = Slot(
            charger,
            self.breaker,  # type: ignore[arg-type]
            self.retrier,  # type: ignore[arg-type]
            SimpleNamespace(run=lambda work: work()),  # type: ignore[arg-type]
            timeout=timeout,
            on_finished=lambda *told: self.told.append(told),
            monotonic=self.clock,
            places=SleptAtPlaces(self.clock.sleep),
        )

    def _charge(self, attempt: Attempt, permit: Any, *, deadline: float, send_by: float) -> Any:
        self.deadlines.append(deadline)
        return PAID

    def send(self) -> Any:
        return self.slot.run(Send(ATTEMPT, self.clock.now, self.clock.now))


def test_a_payment_goes_back_to_the_exchange() -> None:
    case = Case()
    result = case.send()
    assert isinstance(result, Paid)
    assert (result.payment.attempt, result.answer) == (ATTEMPT, PAID)


def test_a_call_that_is_refused_for_a_moment_is_asked_for_again() -> None:
    case = Case(refusals=3, retry_after=0.1)
    began = case.clock.now
    assert isinstance(case.send(), Paid)
    assert case.deadlines == [began + 10.0]


def test_a_call_that_is_refused_again_and_again_is_given_back_after_half_a_second() -> None:
    case = Case(refusals=100, retry_after=0.1)
    began = case.clock.now
    result = case.send()
    assert isinstance(result, Unsent)
    assert result.retry_after == 0.1
    assert case.clock.now - began <= PERMIT_WAIT
    assert case.deadlines == []


def test_a_call_that_an_open_circuit_refuses_is_given_back_at_once() -> None:
    case = Case(refusals=1, retry_after=30.0)
    began = case.clock.now
    assert case.send() == Unsent(Send(ATTEMPT, began, began), 30.0)
    assert case.clock.now == began


@pytest.mark.parametrize(("timeout", "waited"), [(10.0, LONGEST_WAIT + 0.1), (1.0, 0.3)])
def test_a_call_that_most_of_its_time_is_gone_for_is_given_back(timeout: float, waited: float) -> None:
    case = Case(timeout=timeout)
    job = Send(ATTEMPT, case.clock.now, case.clock.now)
    case.clock.advance(waited)
    assert case.slot.run(job) == Unsent(job, None)
    assert case.deadlines == []


def test_a_slow_exchange_shortens_the_call_and_stops_it_only_when_no_time_is_left() -> None:
    case = Case()
    began = case.clock.now
    case.clock.advance(6.0)
    assert isinstance(case.slot.run(Send(ATTEMPT, began, case.clock.now)), Paid)
    assert case.deadlines == [began + 10.0]
    case.clock.advance(4.1)
    assert isinstance(case.slot.run(Send(ATTEMPT, began, case.clock.now)), Unsent)


def test_a_permit_that_came_too_late_is_released() -> None:
    case = Case()
    job = Send(ATTEMPT, case.clock.now, case.clock.now)
    acquire = case.breaker.acquire

    def slowly(**options: object) -> Any:
        case.clock.advance(LONGEST_WAIT + 0.1)
        return acquire(**options)

    case.breaker.acquire = slowly  # type: ignore[method-assign]
    assert case.slot.run(job) == Unsent(job, None)
    assert case.breaker.released == 1


def test_its_calls_are_the_backgrounds_so_that_live_ones_go_first() -> None:
    case = Case()
    asked: list[dict[str, object]] = []
    acquire = case.breaker.acquire
    case.breaker.acquire = lambda **options: asked.append(options) or acquire(**options)  # type: ignore
    case.send()
    assert asked == [{"background": True}]


@pytest.mark.parametrize("error", [DatabaseUnavailableError("is gone"), RuntimeError("a bug")])
def test_a_failure_ends_the_work_on_that_order_alone(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case()

    def fail(order_id: str, **how: bool) -> str:
        raise error

    case.retrier.run = fail
    assert case.slot.run(Retry("o1")) == Finished("o1")
    assert case.told == []
    assert "order o1 " in caplog.text
    case.retrier.run = lambda order_id, **how: "paid"
    case.slot.run(Retry("o2"))
    assert case.told == [("o2", "paid", 0.0)]


def test_who_waits_for_a_place_continues_as_soon_as_a_call_ends() -> None:
    case, places = Case(), Places()
    case.slot._places = places
    case.slot.run(Send(ATTEMPT, case.clock(), case.clock()))
    assert places.freed == 1
    places.wait(0, 3600.0)
    waiter = threading.Thread(target=places.wait, args=(1, 3600.0), daemon=True)
    waiter.start()
    places.free()
    waiter.join(60.0)
    assert not waiter.is_alive()
