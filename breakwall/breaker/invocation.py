"""Calls that cannot use the fast path of a closed circuit."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

from breakwall.breaker.admission import Admission
from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.permit import Permit, wait_for_all
from breakwall.breaker.probe_context import within


class Invocation:
    """Asks for a permit, calls, and records the result."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._replica = admission.recorder.replica
        self._is_failed_result = admission.recorder.config.is_failed_result

    def call(
        self, func: Callable[..., Any], fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call ``func`` if the circuit lets it through. The caller awaits the result of a coroutine function."""
        if is_async(func):
            return self.call_async(func, fallback, args, kwargs)
        try:
            permit = self._replica.run(self._admission.admit())
        except CircuitBreakerError:
            if fallback is None:
                raise
            return fall_back(fallback, args, kwargs)
        try:
            with within(permit) if permit.is_probe else contextlib.nullcontext():
                result = func(*args, **kwargs)
        except BaseException as error:
            outcome = permit.record_exception(error)
            if fallback is not None and falls_back(outcome, error):
                return fall_back(fallback, args, kwargs)
            raise
        if result.__class__ is CoroutineType:
            return self.finish(result, permit, fallback, args, kwargs)
        if self._is_failed_result is None:
            permit.record_success()
            return result
        failed = permit.record_result(result) is CallOutcome.FAILURE
        return fall_back(fallback, args, kwargs) if failed and fallback is not None else result

    async def call_async(
        self, func: Callable[..., Any], fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """`call` of a coroutine function, without blocking the event loop."""
        try:
            permit = await self._replica.run_async(self._admission.admit())
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
        """Await a call that was let through, and record its result."""
        later = permit.wait_later()
        try:
            with within(permit) if permit.is_probe else contextlib.nullcontext():
                result = await call
        except BaseException as error:
            outcome = permit.record_exception(error)
            await wait_for_all(self._replica, later, error)
            if fallback is not None and falls_back(outcome, error):
                return await fall_back_async(fallback, args, kwargs)
            raise
        outcome = permit.record_result(result)
        await wait_for_all(self._replica, later, None)
        if fallback is not None and outcome is CallOutcome.FAILURE:
            return await fall_back_async(fallback, args, kwargs)
        return result


def is_async(func: Callable[..., Any]) -> bool:
    """Whether a call of ``func`` must be awaited, as far as that is known before the call."""
    function, method = _called(func)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(method)


def is_generating(func: Callable[..., Any]) -> bool:
    """Whether a call of ``func`` only makes a generator and runs nothing yet."""
    return any(
        inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code) for code in _called(func)
    )


def _called(func: Callable[..., Any]) -> tuple[Any, Any]:
    """What a call of ``func`` may run: the function inside its partials, and its ``__call__``."""
    while isinstance(func, functools.partial):
        func = func.func
    return func, getattr(type(func), "__call__", None)  # noqa: B004  # the function itself is wanted


def falls_back(outcome: CallOutcome, error: BaseException) -> bool:
    """Whether a fallback replaces a call that raised ``error``.

    A group that contains an interrupt or an exit, and so is no `Exception`, is always raised.
    """
    is_interrupted = isinstance(error, BaseExceptionGroup) and not isinstance(error, Exception)
    return outcome is CallOutcome.FAILURE and not is_interrupted


def fall_back(fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What replaces a call: a callable's result, or a value."""
    return fallback(*args, **kwargs) if callable(fallback) else fallback


async def fall_back_async(fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`fall_back`, for fallbacks that may be coroutine functions."""
    result = fall_back(fallback, args, kwargs)
    return await result if inspect.isawaitable(result) else result
