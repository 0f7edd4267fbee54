"""The four kinds of store. A test of this folder that asks for ``open_store`` runs on each; with the mark
`ON_SHARED`, on each that processes can share, because in memory there is nothing to load or to swap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, store_from_url
from breakwall.breaker.stores import AnyStore

OpenStore = Callable[[], AnyStore]
Join = Callable[..., CircuitBreaker]
SHARED = ["sqlite", "postgres", "redis"]
"""All kinds but memory; each has a fixture `KIND_url`, and the servers one `KIND_server`."""
ON_SHARED = pytest.mark.parametrize("open_store", SHARED, indirect=True)


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    def fail() -> None:
        raise OSError

    for _ in range(times):
        breaker.call(fail, fallback="failed")


@pytest.fixture(params=["memory", *SHARED])
def open_store(request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """Opens a store; each time anew, as another process would, but all see the same circuits."""
    if request.param == "memory":
        memory = store_from_url("memory://")
        yield lambda: memory
        return
    url = request.getfixturevalue(f"{request.param}_url")
    opened: list[AnyStore] = []

    def open_store() -> AnyStore:
        opened.append(store_from_url(url))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture(params=SHARED)
def shared_url(request: pytest.FixtureRequest) -> str:
    """The URL of a store that several processes can share."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def join(open_store: OpenStore) -> Iterator[Join]:
    """Makes breakers of one circuit, each with a connection of its own.

    Their timeout is long: a store that is slow on a busy machine must not count as lost.
    """
    joined: list[CircuitBreaker] = []

    def join(**config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {
            "failure_threshold": 3,
            "recovery_timeout": 0.3,
            "timeout": 0.3,
            "refresh_interval": 0.05,
            "store_timeout": 5.0,
        }
        joined.append(CircuitBreaker("payment", CircuitBreakerConfig(**defaults | config), open_store()))
        return joined[-1]

    yield join
    for breaker in joined:
        breaker.close()
