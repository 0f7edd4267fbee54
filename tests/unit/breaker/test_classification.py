"""What an exception counts as; an exception group counts as what is in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState
from breakwall.breaker.circuit.state import CallOutcome

REFUSED = CircuitBreakerError("other", CircuitState.OPEN, 1.0)


class OwnPoolError(Exception):
    """Says nothing of the service."""


class ShopGroup(ExceptionGroup[Exception]):
    """A group that a configuration can name."""


def breaker(**config: Any) -> CircuitBreaker:
    defaults: dict[str, Any] = {"expected_exception": ConnectionError, "neutral_exception": OwnPoolError}
    return CircuitBreaker("payment", CircuitBreakerConfig(**defaults | config))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionResetError(), CallOutcome.FAILURE),
        (ValueError(), CallOutcome.SUCCESS),
        (OwnPoolError(), CallOutcome.NEUTRAL),
        (REFUSED, CallOutcome.NEUTRAL),
        (KeyboardInterrupt(), CallOutcome.NEUTRAL),
        (SystemExit(), CallOutcome.NEUTRAL),
        (asyncio.CancelledError(), CallOutcome.NEUTRAL),
        (GeneratorExit(), CallOutcome.NEUTRAL),
    ],
    ids=repr,
)
def test_an_exception_counts_as_the_configuration_says(error: BaseException, outcome: CallOutcome) -> None:
    assert breaker().classify(error) is outcome


@pytest.mark.parametrize(
    ("inside", "outcome"),
    [
        ([ConnectionError()], CallOutcome.FAILURE),
        ([ConnectionResetError()], CallOutcome.FAILURE),
        ([ExceptionGroup("", [ValueError(), ExceptionGroup("", [ConnectionError()])])], CallOutcome.FAILURE),
        ([ValueError(), ConnectionError()], CallOutcome.FAILURE),
        ([OwnPoolError(), ConnectionError()], CallOutcome.FAILURE),
        ([asyncio.CancelledError(), ConnectionError()], CallOutcome.FAILURE),
        ([KeyboardInterrupt(), ConnectionError()], CallOutcome.FAILURE),
        ([ValueError()], CallOutcome.SUCCESS),
        ([OwnPoolError(), ValueError()], CallOutcome.SUCCESS),
        ([asyncio.CancelledError(), ValueError()], CallOutcome.SUCCESS),
        ([OwnPoolError()], CallOutcome.NEUTRAL),
        ([REFUSED], CallOutcome.NEUTRAL),
        ([ExceptionGroup("", [OwnPoolError(), REFUSED])], CallOutcome.NEUTRAL),
        ([asyncio.CancelledError()], CallOutcome.NEUTRAL),
        ([KeyboardInterrupt(), OwnPoolError()], CallOutcome.NEUTRAL),
    ],
)
def test_a_group_counts_as_what_is_in_it(inside: list[BaseException], outcome: CallOutcome) -> None:
    assert breaker().classify(BaseExceptionGroup("several", inside)) is outcome


def test_by_default_too_a_group_of_neutral_exceptions_is_neutral() -> None:
    default = breaker(expected_exception=Exception)
    assert default.classify(ExceptionGroup("", [OwnPoolError()])) is CallOutcome.NEUTRAL
    assert default.classify(ExceptionGroup("", [ValueError()])) is CallOutcome.FAILURE


def test_a_group_that_the_configuration_names_counts_as_it_says() -> None:
    group = ShopGroup("", [ValueError()])
    assert breaker(expected_exception=ShopGroup).classify(group) is CallOutcome.FAILURE
    assert breaker(neutral_exception=ShopGroup).classify(group) is CallOutcome.NEUTRAL


def test_a_task_group_whose_task_fails_opens_the_circuit() -> None:
    async def refused() -> None:
        raise ConnectionError

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(refused())
            tasks.create_task(asyncio.sleep(10))

    async def run() -> CircuitState:
        payment = breaker(failure_threshold=1)
        with pytest.raises(ExceptionGroup):
            await payment.call(both)
        return payment.status().state

    assert asyncio.run(run()) is CircuitState.OPEN


def test_a_fallback_replaces_a_group_of_failures_but_not_one_with_an_interrupt() -> None:
    def raising(*inside: BaseException) -> Any:
        raise BaseExceptionGroup("", inside)

    assert breaker().call(raising, ConnectionError(), fallback=lambda *_: "later") == "later"
    with pytest.raises(BaseExceptionGroup):
        breaker().call(raising, ConnectionError(), KeyboardInterrupt(), fallback=lambda *_: "later")
