"""What a type checker knows of protected calls. `test_types` runs mypy over this file; nothing here is executed.

An ignored error is one that mypy must report: without it, mypy would report a needless comment.
"""

from typing import assert_type

from breakwall.breaker import CallOutcome, CircuitBreaker, CircuitBreakerRegistry, CircuitState, Permit


class Receipt:
    """What the service answers."""


class Later:
    """What a fallback answers."""


def charge(amount: int, *, currency: str = "KRW") -> Receipt:
    return Receipt()


async def charge_async(amount: int) -> Receipt:
    return Receipt()


def enqueue(amount: int) -> Later:
    return Later()


async def enqueue_async(amount: int) -> Later:
    return Later()


class Shop:
    def charge(self, amount: int) -> Receipt:
        return Receipt()


def calls(breaker: CircuitBreaker) -> None:
    assert_type(breaker.call(charge, 1), Receipt)
    assert_type(breaker.call(charge, 1, currency="USD"), Receipt)
    assert_type(breaker.call(charge, 1, fallback=None), Receipt)
    assert_type(breaker.call(charge, 1, fallback=enqueue), Receipt | Later)
    assert_type(breaker.call(charge, 1, fallback=Later()), Receipt | Later)
    assert_type(breaker.call(charge, 1, fallback="later"), Receipt | str)
    assert_type(breaker.call(Shop().charge, 1), Receipt)
    assert_type(breaker.call(lambda: 3), int)
    assert_type(breaker.call(int), int)
    breaker.call(charge)  # type: ignore[call-overload]
    breaker.call(charge, "1")  # type: ignore[call-overload]
    breaker.call(charge, 1, currency=3)  # type: ignore[arg-type]


async def asynchronous_calls(breaker: CircuitBreaker) -> None:
    assert_type(await breaker.call(charge_async, 1), Receipt)
    assert_type(await breaker.call(charge_async, 1, fallback=None), Receipt)
    assert_type(await breaker.call(charge_async, 1, fallback=enqueue), Receipt | Later)
    assert_type(await breaker.call(charge_async, 1, fallback=enqueue_async), Receipt | Later)
    assert_type(await breaker.call(charge_async, 1, fallback=Later()), Receipt | Later)
    assert_type(await breaker.call(lambda: charge_async(1)), Receipt)
    await breaker.call(charge_async, "1")  # type: ignore[call-overload]


def decorated(breaker: CircuitBreaker) -> None:
    @breaker.protect
    def plain(amount: int) -> Receipt:
        return Receipt()

    @breaker.protect()
    def called(amount: int) -> Receipt:
        return Receipt()

    @breaker.protect(fallback=enqueue)
    def with_fallback(amount: int) -> Receipt:
        return Receipt()

    @breaker.protect(fallback=None)
    def with_none(amount: int) -> Receipt:
        return Receipt()

    @breaker.protect(fallback=Later())
    def with_value(amount: int) -> Receipt:
        return Receipt()

    assert_type(plain(1), Receipt)
    assert_type(called(amount=1), Receipt)
    assert_type(with_fallback(1), Receipt | Later)
    assert_type(with_none(1), Receipt)
    assert_type(with_value(1), Receipt | Later)
    plain("1")  # type: ignore[arg-type]
    with_fallback("1")  # type: ignore[arg-type]


async def decorated_asynchronously(breaker: CircuitBreaker) -> None:
    @breaker.protect
    async def plain(amount: int) -> Receipt:
        return Receipt()

    @breaker.protect(fallback=enqueue)
    async def with_fallback(amount: int) -> Receipt:
        return Receipt()

    @breaker.protect(fallback=enqueue_async)
    async def with_async_fallback(amount: int) -> Receipt:
        return Receipt()

    assert_type(await plain(1), Receipt)
    assert_type(await with_fallback(1), Receipt | Later)
    assert_type(await with_async_fallback(1), Receipt | Later)
    breaker.protect(fallback=enqueue_async)(charge)  # type: ignore[arg-type]


def of_a_registry(registry: CircuitBreakerRegistry) -> None:
    @registry.circuit("shipping", timeout=3.0)
    def ship(amount: int) -> Receipt:
        return Receipt()

    @registry.circuit("shipping", fallback=enqueue)
    def ship_later(amount: int) -> Receipt:
        return Receipt()

    assert_type(ship(1), Receipt)
    assert_type(ship_later(1), Receipt | Later)


def blocks(breaker: CircuitBreaker) -> None:
    with breaker.acquire() as permit:
        assert_type(permit, Permit)
        assert_type(permit.record_result(Receipt()), CallOutcome)
    assert_type(breaker.state, CircuitState)
    with breaker:  # type: ignore[attr-defined]
        pass
