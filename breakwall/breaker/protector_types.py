"""The types of decorators that protect a function: what a type checker knows of the protected one."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Replaced = TypeVar("Replaced", covariant=True)  # What a fallback returns.


class Protector(Protocol):
    """The protected function has the type of the function."""

    def __call__(self, func: F, /) -> F: ...


class ProtectorWithFallback(Protocol[Replaced]):
    """The protected function may also return what its fallback returns."""

    @overload
    def __call__(
        self, func: Callable[P, Coroutine[Any, Any, T]], /
    ) -> Callable[P, Coroutine[Any, Any, T | Replaced]]: ...
    @overload
    def __call__(self, func: Callable[P, R], /) -> Callable[P, R | Replaced]: ...


class ProtectorWithAsyncFallback(Protocol[Replaced]):
    """The same with a fallback that is a coroutine function: for coroutine functions only."""

    def __call__(
        self, func: Callable[P, Coroutine[Any, Any, T]], /
    ) -> Callable[P, Coroutine[Any, Any, T | Replaced]]: ...
