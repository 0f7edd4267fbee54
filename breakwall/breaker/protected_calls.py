"""The ways to call through a breaker: `call`, `protect`, and permits."""

import functools
from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, overload

from breakwall.breaker import forking
from breakwall.breaker.admission import Admission
from breakwall.breaker.calls_in_hand import CallsInHand
from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.classification import classify
from breakwall.breaker.config import CircuitBreakerConfig, ResultPredicate
from breakwall.breaker.invocation import Invocation, fall_back, falls_back, is_async, is_generating
from breakwall.breaker.permit import Permit, PermitBlock, Recorder, Replica
from breakwall.breaker.protector_types import Protector, ProtectorWithAsyncFallback, ProtectorWithFallback
from breakwall.breaker.sync.fast_path import FastPath

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Fallback = TypeVar("Fallback")


class ProtectedCalls:
    """These methods of `CircuitBreaker`."""

    config: CircuitBreakerConfig
    _clock: Callable[[], float]
    _is_failed_result: ResultPredicate | None
    _fast_path: FastPath | None
    _permit_path: FastPath | None
    _calls: CallsInHand | None
    _recorder: Recorder
    _replica: Replica
    _admission: Admission
    _invocation: Invocation

    # With a fallback the arguments are not checked: Python has no type for "these arguments, and ``fallback``".
    @overload
    def call(self, func: Callable[..., R], /, *args: Any, fallback: None, **kwargs: Any) -> R: ...
    @overload
    def call(
        self,
        func: Callable[..., Coroutine[Any, Any, T]],
        /,
        *args: Any,
        fallback: Callable[..., Awaitable[Fallback]],
        **kwargs: Any,
    ) -> Coroutine[Any, Any, T | Fallback]: ...
    @overload
    def call(
        self,
        func: Callable[..., Coroutine[Any, Any, T]],
        /,
        *args: Any,
        fallback: Callable[..., Fallback],
        **kwargs: Any,
    ) -> Coroutine[Any, Any, T | Fallback]: ...
    @overload
    def call(
        self,
        func: Callable[..., Coroutine[Any, Any, T]],
        /,
        *args: Any,
        fallback: Fallback,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, T | Fallback]: ...
    @overload
    def call(
        self,
        func: Callable[..., R],
        /,
        *args: Any,
        fallback: Callable[..., Fallback],
        **kwargs: Any,
    ) -> R | Fallback: ...
    @overload
    def call(
        self, func: Callable[..., R], /, *args: Any, fallback: Fallback, **kwargs: Any
    ) -> R | Fallback: ...
    @overload
    def call(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def call(self, func: Callable[..., Any], /, *args: Any, fallback: Any = None, **kwargs: Any) -> Any:
        """Return ``func(*args, **kwargs)`` if the circuit lets the call through.

        Await the call of a coroutine function: ``await breaker.call(fetch, url)``. The same holds if a plain function
        returns a coroutine. But the breaker learns that only after the call, so its wait for the store before the call
        (at most ``config.store_timeout``, or the first contact) blocks the event loop. Any other result counts as a
        success as soon as it is returned, also a generator, a future or a task.

        Args:
            fallback: what to return if the call is refused, or if its exception or its result counts as a failure: a
                callable, which gets the same arguments, or a value.

        Raises:
            CircuitBreakerError: the call was refused, and no fallback was given; see `acquire`.
            Exception: whatever ``func`` raised.
        """
        fast_path = self._fast_path
        if fast_path is None or self._clock() >= fast_path.fresh_until:
            return self._invocation.call(func, fallback, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            permit = Permit(self._recorder, fast_path=fast_path)
            outcome = permit.record_exception(error)
            if fallback is not None and falls_back(outcome, error):
                return fall_back(fallback, args, kwargs)
            raise
        if result.__class__ is CoroutineType:
            permit = Permit(self._recorder, fast_path=fast_path)
            return self._invocation.finish(result, permit, fallback, args, kwargs)
        if self._is_failed_result is None:
            fast_path.succeed()
            return result
        failed = Permit(self._recorder, fast_path=fast_path).record_result(result) is CallOutcome.FAILURE
        return fall_back(fallback, args, kwargs) if failed and fallback is not None else result

    def acquire(self, background: bool = False) -> Permit:
        """Return a permit for one call. The caller records the result in it, or uses it as a context manager.

        Args:
            background: whether nobody waits for the call, as for the calls of a retry queue. Live calls go first.

        Raises:
            CallLimitError: the circuit is closed, but the service hangs, or the limit of calls at once or a second is
                reached (with ``config.adaptive_limit``).
            CircuitBreakerError: the circuit refuses the call.
        """
        fast_path = self._permit_path
        if fast_path is None or self._clock() >= fast_path.fresh_until:
            return self._replica.run(self._admission.admit(background=background))
        if self._calls is None and not background:
            return Permit(self._recorder, fast_path=fast_path)
        return self._admission.start(fast_path, background=background)

    def refuse_at_once(self) -> None:
        """Raise `CircuitBreakerError` if `acquire` would, and that is known without a wait for the store.

        It gives no permit, and takes no probe's slot: what passes here asks `acquire`, where a wait does no harm. So an
        event loop, or whoever needs a thread for a call, spends nothing on it while the circuit is open.
        """
        fast_path = self._permit_path
        if fast_path is None or self._clock() >= fast_path.fresh_until:
            forking.notice()
            self._admission.refuse_at_once()

    def permit(self, background: bool = False) -> PermitBlock:
        """`acquire` for an event loop, without blocking it: ``async with breaker.permit() as permit:``."""
        return PermitBlock(self._replica, functools.partial(self._admission.admit, background=background))

    @overload
    def protect(self, func: F) -> F: ...
    @overload
    def protect(self, func: Callable[P, Any], *, fallback: Any) -> Callable[P, Any]: ...
    @overload
    def protect(self, *, fallback: None = None) -> Protector: ...
    # What is a coroutine function is a callable too, and a value: the first signature that fits is the right one.
    @overload
    def protect(  # type: ignore[overload-overlap]
        self, *, fallback: Callable[..., Awaitable[Fallback]]
    ) -> ProtectorWithAsyncFallback[Fallback]: ...
    @overload
    def protect(self, *, fallback: Callable[..., Fallback]) -> ProtectorWithFallback[Fallback]: ...
    @overload
    def protect(self, *, fallback: Fallback) -> ProtectorWithFallback[Fallback]: ...
    def protect(self, func: Callable[..., Any] | None = None, *, fallback: Any = None) -> Any:
        """A decorator, with or without a ``fallback``: each call of the function goes through `call`.

        Raises:
            TypeError: for a generator function, because its call runs nothing yet. Put `acquire` or `permit` around the
                loop that reads it.
        """
        if func is None:
            return functools.partial(self.protect, fallback=fallback)
        if is_generating(func):
            raise TypeError(
                "a generator function cannot be protected: put acquire() or permit() around its loop"
            )
        if is_async(func):

            @functools.wraps(func)
            async def protected_async(*args: Any, **kwargs: Any) -> Any:
                return await self._invocation.call_async(func, fallback, args, kwargs)

            return protected_async

        @functools.wraps(func)
        def protected(*args: Any, **kwargs: Any) -> Any:
            bound = functools.partial(fallback, *args, **kwargs) if callable(fallback) else fallback
            return self.call(functools.partial(func, *args, **kwargs), fallback=bound)

        return protected

    def classify(self, error: BaseException) -> CallOutcome:
        """What an exception of a call says about the service, by the configuration."""
        return classify(error, self.config)
