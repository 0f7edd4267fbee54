"""Predicates of the configuration: which exceptions count, and which results are failures."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from breakwall.breaker import (
    CallOutcome,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerError,
    CircuitBreakerRegistry,
    CircuitState,
)
from tests.unit.breaker.doubles import Fleet, ServiceError, answer


@dataclass
class Response:
    """What an HTTP client returns: it raises nothing for a status."""

    status: int


class StatusError(Exception):
    """What an HTTP client raises for a status."""

    def __init__(self, status: int) -> None:
        super().__init__("sk_live_secret")
        self.status = status


def is_unavailable(response: Any) -> bool:
    return isinstance(response, Response) and response.status >= 500


def is_server_error(error: Exception) -> bool:
    return not isinstance(error, StatusError) or error.status >= 500


def is_unauthorized(error: Exception) -> bool:
    return isinstance(error, StatusError) and error.status == 401


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        raise error

    return call


def respond(status: int) -> Response:
    return Response(status)


async def respond_async(status: int) -> Response:
    await asyncio.sleep(0)
    return Response(status)


def counts(breaker: CircuitBreaker) -> tuple[int, int, int]:
    """Successes, failures, neutral calls."""
    seen = breaker.metrics()
    return (
        seen.successful_calls,
        seen.failed_calls,
        seen.total_calls - seen.successful_calls - seen.failed_calls,
    )


class TestExceptions:
    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (StatusError(503), CallOutcome.FAILURE),
            (StatusError(404), CallOutcome.SUCCESS),
            (StatusError(401), CallOutcome.NEUTRAL),
            (ConnectionError(), CallOutcome.FAILURE),
            (ExceptionGroup("", [StatusError(404), StatusError(401)]), CallOutcome.SUCCESS),
            (ExceptionGroup("", [StatusError(404), StatusError(503)]), CallOutcome.FAILURE),
            (KeyboardInterrupt(), CallOutcome.NEUTRAL),
            (CircuitBreakerError("other", CircuitState.OPEN, 1.0), CallOutcome.NEUTRAL),
        ],
        ids=repr,
    )
    def test_the_predicates_decide_beside_the_classes(
        self, fleet: Fleet, error: BaseException, outcome: CallOutcome
    ) -> None:
        breaker = fleet.breaker(is_failure=is_server_error, is_neutral=is_unauthorized)
        assert breaker.classify(error) is outcome

    def test_no_predicate_makes_an_exception_a_failure_that_is_not_expected(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(expected_exception=OSError, is_failure=lambda _: True)
        assert breaker.classify(ValueError()) is CallOutcome.SUCCESS

    def test_an_expected_interrupt_that_is_no_failure_is_neutral(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(expected_exception=BaseException, is_failure=lambda _: False)
        assert breaker.classify(asyncio.CancelledError()) is CallOutcome.NEUTRAL

    def test_neutral_wins_over_failure(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(is_failure=lambda _: True, is_neutral=lambda _: True)
        assert breaker.classify(OSError()) is CallOutcome.NEUTRAL

    def test_they_are_asked_for_calls_blocks_and_decorated_functions_alike(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(is_failure=is_server_error)
        ways: list[Callable[[BaseException], Any]] = [
            lambda error: breaker.call(raising(error)),
            lambda error: breaker.protect(raising(error))(),
            functools.partial(in_a_block, breaker),
            lambda error: asyncio.run(in_an_async_block(breaker, error)),
        ]
        for way in ways:
            with pytest.raises(StatusError):
                way(StatusError(404))
        assert counts(breaker) == (4, 0, 0)
        for way in ways[:2]:
            with pytest.raises(StatusError):
                way(StatusError(503))
        assert counts(breaker) == (4, 2, 0)

    def test_a_fallback_replaces_no_call_that_a_predicate_calls_a_success(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(is_failure=is_server_error)
        assert breaker.call(raising(StatusError(503)), fallback="later") == "later"
        with pytest.raises(StatusError):
            breaker.call(raising(StatusError(404)), fallback="later")


def in_a_block(breaker: CircuitBreaker, error: BaseException) -> None:
    with breaker.acquire():
        raise error


async def in_an_async_block(breaker: CircuitBreaker, error: BaseException) -> None:
    async with breaker.permit():
        raise error


class TestResults:
    @pytest.fixture
    def breaker(self, fleet: Fleet) -> CircuitBreaker:
        return fleet.breaker(is_failed_result=is_unavailable)

    def test_failed_results_open_the_circuit_and_are_returned(self, breaker: CircuitBreaker) -> None:
        for _ in range(3):
            assert breaker.call(respond, 503) == Response(503)
        with pytest.raises(CircuitBreakerError):
            breaker.call(respond, 200)
        assert counts(breaker) == (0, 3, 0)

    def test_other_results_are_successes(self, breaker: CircuitBreaker) -> None:
        for status in (200, 404, 429):
            breaker.call(respond, status)
        assert counts(breaker) == (3, 0, 0)

    def test_the_awaited_result_counts_and_not_the_coroutine(self, breaker: CircuitBreaker) -> None:
        async def run() -> None:
            await breaker.call(respond_async, 503)
            await breaker.call(lambda: respond_async(503))  # Known to be a coroutine only after the call.
            await breaker.protect(respond_async)(200)

        asyncio.run(run())
        assert counts(breaker) == (1, 2, 0)

    def test_a_decorated_function_counts_the_same(self, breaker: CircuitBreaker) -> None:
        breaker.protect(respond)(503)
        assert counts(breaker) == (0, 1, 0)

    def test_a_fallback_replaces_a_failed_result_too(self, breaker: CircuitBreaker) -> None:
        async def later(status: int) -> str:
            return f"later, not {status}"

        assert breaker.call(respond, 503, fallback=lambda status: f"not {status}") == "not 503"
        assert breaker.call(respond, 200, fallback="later") == Response(200)
        assert asyncio.run(breaker.call(respond_async, 503, fallback=later)) == "later, not 503"

    def test_a_permit_classifies_a_result_and_says_what_it_was(self, breaker: CircuitBreaker) -> None:
        with breaker.acquire() as permit:
            assert permit.record_result(Response(503)) is CallOutcome.FAILURE
        with breaker.acquire() as permit:
            assert permit.record_result(Response(200)) is CallOutcome.SUCCESS
        assert counts(breaker) == (1, 1, 0)

    def test_a_permit_of_a_breaker_without_the_predicate_records_a_success(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        assert breaker.acquire().record_result(Response(503)) is CallOutcome.SUCCESS
        assert counts(breaker) == (1, 0, 0)

    def test_a_permit_in_an_event_loop_does_so_too(self, breaker: CircuitBreaker) -> None:
        async def run() -> CallOutcome:
            async with breaker.permit() as permit:
                return permit.record_result(Response(503))

        assert asyncio.run(run()) is CallOutcome.FAILURE
        assert counts(breaker) == (0, 1, 0)

    def test_a_probe_with_a_failed_result_opens_the_circuit_again(self, fleet: Fleet) -> None:
        breaker = fleet.half_open(is_failed_result=is_unavailable)
        breaker.call(respond, 503)
        assert breaker.status().retry_after == 60.0

    def test_with_a_limit_they_count_the_same(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(is_failed_result=is_unavailable, adaptive_limit=True)
        breaker.call(respond, 503)
        assert counts(breaker) == (0, 1, 0)


class TestAPredicateThatRaises:
    def test_hides_no_result_and_no_exception_of_the_call(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(
            is_failure=lambda error: error.missing,
            is_neutral=lambda error: error.missing,
            is_failed_result=lambda result: result.missing,
        )
        assert breaker.call(answer) == "answer"
        with pytest.raises(ServiceError):
            breaker.call(raising(ServiceError()))
        assert counts(breaker) == (1, 1, 0)

    def test_is_logged_with_its_place_and_without_what_the_call_has_sent(
        self, fleet: Fleet, caplog: pytest.LogCaptureFixture
    ) -> None:
        breaker = fleet.breaker(is_failure=lambda error: error.missing)
        with caplog.at_level(logging.ERROR, "breakwall.breaker"), pytest.raises(StatusError):
            breaker.call(raising(StatusError(503)))
        (record,) = caplog.records
        assert record.getMessage().startswith("is_failure raised AttributeError (")
        assert f"{__file__}:" in record.getMessage()
        assert "sk_live" not in caplog.text

    def test_frees_the_slot_of_its_probe_if_it_is_interrupted(self, fleet: Fleet) -> None:
        def interrupted(_: object) -> bool:
            raise KeyboardInterrupt

        breaker = fleet.half_open(is_failed_result=interrupted)
        with pytest.raises(KeyboardInterrupt):
            breaker.call(answer)
        assert breaker.status().slots == 1


def test_a_circuit_of_a_registry_has_them_too() -> None:
    registry = CircuitBreakerRegistry(CircuitBreakerConfig(is_failed_result=is_unavailable))
    registry.circuit("shipping")(respond)(503)
    assert registry["shipping"].metrics().failed_calls == 1
