"""Several circuits with one store and shared defaults."""

import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar, overload

from breakwall.breaker import forking
from breakwall.breaker.breaker import CircuitBreaker
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.events import Listener
from breakwall.breaker.metrics import BreakerStatus
from breakwall.breaker.protector_types import Protector, ProtectorWithAsyncFallback, ProtectorWithFallback
from breakwall.breaker.stores import AnyStore, MemoryStore

Fallback = TypeVar("Fallback")


class CircuitBreakerRegistry:
    """Makes each named breaker once.

    Args:
        config: the defaults of every circuit.
        store: keeps all of them; by default this process's memory.

    ``registry.circuit("shipping", timeout=3.0)`` decorates a function; ``registry["shipping"]`` is its breaker.
    """

    def __init__(self, config: CircuitBreakerConfig | None = None, store: AnyStore | None = None) -> None:
        self._config = config or CircuitBreakerConfig()
        self._store = store or MemoryStore()
        self._breakers: dict[str, CircuitBreaker] = {}
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        forking.remember(self)

    def breaker(self, name: str, **changes: Any) -> CircuitBreaker:
        """The breaker called ``name``. The first call makes it, with ``changes`` to the shared defaults.

        Raises:
            ValueError: it exists with another configuration, or a change is invalid.
            TypeError: the configuration has no such field.
        """
        config = replace(self._config, **changes)
        forking.notice()
        with self._lock:
            breaker = self._breakers.get(name)
            if breaker is None:
                breaker = self._breakers[name] = CircuitBreaker(name, config, self._store)
                for listener in self._listeners:
                    breaker.listen(listener)
        if changes and breaker.config != config:
            raise ValueError(f"circuit {name!r} exists already, with another configuration")
        return breaker

    @overload
    def circuit(self, name: str, *, fallback: None = None, **changes: Any) -> Protector: ...
    @overload
    def circuit(
        self, name: str, *, fallback: Callable[..., Awaitable[Fallback]], **changes: Any
    ) -> ProtectorWithAsyncFallback[Fallback]: ...
    @overload
    def circuit(
        self, name: str, *, fallback: Callable[..., Fallback], **changes: Any
    ) -> ProtectorWithFallback[Fallback]: ...
    @overload
    def circuit(
        self, name: str, *, fallback: Fallback, **changes: Any
    ) -> ProtectorWithFallback[Fallback]: ...
    def circuit(self, name: str, *, fallback: Any = None, **changes: Any) -> Any:
        """A decorator: the breaker called ``name`` protects each call of the function."""
        return lambda func: self.breaker(name, **changes).protect(func, fallback=fallback)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with the events of every breaker, including those that are made later."""
        forking.notice()
        with self._lock:
            self._listeners.append(listener)
            for breaker in self._breakers.values():
                breaker.listen(listener)

    def statuses(self) -> list[BreakerStatus]:
        """The status of every circuit, by name."""
        return [breaker.status() for breaker in self]

    def close(self) -> None:
        """Close every breaker."""
        for breaker in self:
            breaker.close()

    def after_fork(self) -> None:
        """In a forked child: replace the lock, which a thread of the parent may have held."""
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> CircuitBreaker:
        return self._breakers[name]

    def __iter__(self) -> Iterator[CircuitBreaker]:
        forking.notice()
        with self._lock:
            return iter([breaker for _, breaker in sorted(self._breakers.items())])

    def __len__(self) -> int:
        return len(self._breakers)
