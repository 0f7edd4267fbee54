"""Several circuits with shared defaults, and the decorator."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from breakwall.breaker import CircuitBreakerConfig, CircuitBreakerError, CircuitBreakerRegistry
from tests.unit.breaker.doubles import FaultyStore, Fleet, ServiceError, events_of, fail, fail_times


@pytest.fixture
def registry(store: FaultyStore) -> CircuitBreakerRegistry:
    return CircuitBreakerRegistry(CircuitBreakerConfig(failure_threshold=2), store)


def test_the_same_name_is_the_same_breaker(registry: CircuitBreakerRegistry) -> None:
    assert registry.breaker("payment") is registry.breaker("payment")
    assert registry["payment"] is registry.breaker("payment")


def test_each_starts_from_the_shared_defaults(registry: CircuitBreakerRegistry) -> None:
    shipping = registry.breaker("shipping", timeout=3.0)
    assert (shipping.config.failure_threshold, shipping.config.timeout) == (2, 3.0)


def test_the_same_name_with_another_configuration_is_an_error(registry: CircuitBreakerRegistry) -> None:
    registry.breaker("shipping", timeout=3.0)
    with pytest.raises(ValueError, match="'shipping' exists already"):
        registry.breaker("shipping", timeout=4.0)
    assert registry.breaker("shipping").config.timeout == 3.0


def test_circuits_do_not_trip_each_other(registry: CircuitBreakerRegistry) -> None:
    fail_times(registry.breaker("payment"), 2)
    registry.breaker("shipping")
    assert [(s.name, s.slots) for s in registry.statuses()] == [("payment", 0), ("shipping", None)]


def test_a_listener_hears_every_circuit_including_later_ones(registry: CircuitBreakerRegistry) -> None:
    registry.breaker("payment")
    heard = events_of(registry)
    fail_times(registry.breaker("payment"), 2)
    fail_times(registry.breaker("shipping"), 2)
    assert [event.name for event in heard] == ["payment", "shipping"]


def test_a_decorated_function_goes_through_its_circuit(registry: CircuitBreakerRegistry) -> None:
    @registry.circuit("payment")
    def charge(amount: int) -> None:
        """Charge."""
        raise ServiceError

    for _ in range(2):
        with pytest.raises(ServiceError):
            charge(1)
    with pytest.raises(CircuitBreakerError):
        charge(1)
    assert (charge.__name__, charge.__doc__) == ("charge", "Charge.")


def test_a_decorated_function_keeps_an_argument_called_fallback(fleet: Fleet) -> None:
    @fleet.breaker().protect
    def echo(fallback: str) -> str:
        return fallback

    assert echo(fallback="mine") == "mine"


def test_a_decorators_fallback_gets_the_functions_arguments(fleet: Fleet) -> None:
    @fleet.breaker().protect(fallback=lambda amount, *, currency: f"{amount} {currency} later")
    def charge(amount: int, *, currency: str) -> str:
        raise ServiceError

    assert charge(5, currency="KRW") == "5 KRW later"


def test_a_decorated_coroutine_function_stays_one(fleet: Fleet) -> None:
    breaker = fleet.breaker()

    @breaker.protect
    async def charge(amount: int) -> int:
        return amount

    assert asyncio.iscoroutinefunction(charge)
    assert asyncio.run(charge(5)) == 5
    assert breaker.metrics().successful_calls == 1


def generate() -> Iterator[int]:
    yield 1


async def generate_async() -> AsyncIterator[int]:
    yield 1


class Generating:
    def __call__(self) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize("generating", [generate, generate_async, functools.partial(generate), Generating()])
def test_a_generator_function_which_fails_long_after_its_call_is_refused(
    fleet: Fleet, generating: Callable[[], object]
) -> None:
    with pytest.raises(TypeError, match="put acquire"):
        fleet.breaker().protect(generating)


def test_a_decorated_function_that_fails_counts(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    protected = breaker.protect(fail)
    with pytest.raises(ServiceError):
        protected()
    assert breaker.metrics().failed_calls == 1
