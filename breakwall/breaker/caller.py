"""Calls that do not take the short way through a closed circuit."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import CoroutineType
from typing import Any

from breakwall.breaker.circuit import CallOutcome
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.gate import Gate
from breakwall.breaker.permit import Permit, settle_later, within
from breakwall.breaker.waiter import Waiter


@dataclass(frozen=True, slots=True)
class Caller:
    gate: Gate
    waiter: Waiter

    def call(
        self, func: Callable[..., Any], fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call ``func`` if the gate lets it through; a coroutine function's call is to be awaited."""
        if is_async(func):
            return self.call_async(func, fallback, args, kwargs)
        try:
            permit = self.waiter.run(self.gate.admit())
        except CircuitBreakerError:
            if fallback is None:
                raise
            return fall_back(fallback, args, kwargs)
        try:
            with within(permit):
                result = func(*args, **kwargs)
        except BaseException as error:
            if fails(permit, error, fallback):
                return fall_back(fallback, args, kwargs)
            raise
        if result.__class__ is CoroutineType:
            return self.finish(result, permit, fallback, args, kwargs)
        permit.record_success()
        return result

    async def call_async(
        self, func: Callable[..., Any], fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """`call` of a coroutine function, with no waiting that would block the event loop."""
        try:
            permit = await self.waiter.run_async(self.gate.admit())
        except CircuitBreakerError:
            if fallback is None:
                raise
            return await fall_back_async(fallback, args, kwargs)

        async def begin() -> Any:
            return await func(*args, **kwargs)

        return await self.finish(begin(), permit, fallback, args, kwargs)

    async def finish(
        self,
        call: Coroutine[Any, Any, Any],
        permit: Permit,
        fallback: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Await a call that was let through, and settle it."""
        later = permit.postpone()
        try:
            with within(permit):
                result = await call
        except BaseException as error:
            falls_back = fails(permit, error, fallback)
            await settle_later(self.waiter, later, error)
            if falls_back:
                return await fall_back_async(fallback, args, kwargs)
            raise
        permit.record_success()
        await settle_later(self.waiter, later, None)
        return result


def is_async(func: Callable[..., Any]) -> bool:
    """Whether a call of ``func`` is to be awaited, as far as that can be told before the call."""
    return any(inspect.iscoroutinefunction(code) for code in _called(func))


def is_generating(func: Callable[..., Any]) -> bool:
    """Whether a call of ``func`` only makes a generator, and runs nothing yet."""
    return any(
        inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code) for code in _called(func)
    )


def _called(func: Callable[..., Any]) -> tuple[Any, Any]:
    while isinstance(func, functools.partial):
        func = func.func
    return func, getattr(type(func), "__call__", None)  # noqa: B004  # the function itself is wanted


def fails(permit: Permit, error: BaseException, fallback: Any) -> bool:
    """Settle a call that raised; whether the fallback takes its place.

    Of a group with an interrupt or an exit in it, which is no `Exception`, nothing does.
    """
    failed = permit.record_exception(error) is CallOutcome.FAILURE and fallback is not None
    return failed and (isinstance(error, Exception) or not isinstance(error, BaseExceptionGroup))


def fall_back(fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What takes the place of a call: a callable's result, or a value."""
    return fallback(*args, **kwargs) if callable(fallback) else fallback


async def fall_back_async(fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`fall_back`, for fallbacks that may be coroutine functions."""
    result = fall_back(fallback, args, kwargs)
    return await result if inspect.isawaitable(result) else result
