"""A forked child begins anew: it shares neither locks nor counts nor connections with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerRegistry,
    CircuitState,
    forking,
    store_from_url,
)
from breakwall.breaker.sync.memory import MemoryReplica
from tests.unit.breaker.doubles import answer, fail_times, succeed_times

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(autouse=True)
def _forking_beside_threads_is_what_is_tested() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


IN_C = "TEST_FORKS_IN_C"


@pytest.fixture(autouse=True)
def _forked_in_c_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.environ.get(IN_C):
        monkeypatch.setattr(os, "fork", fork_in_c)


@pytest.mark.skipif(IN_C in os.environ, reason="it is what runs now")
def test_all_of_it_holds_for_a_fork_that_python_does_not_notice() -> None:
    """Such as uWSGI's. In a process of its own: threads that other tests have left may be waiting for the interpreter's
    lock at the moment of the fork, and then the child waits for them for ever."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        __file__,
    ]
    ran = subprocess.run(
        command, env={**os.environ, IN_C: "1"}, capture_output=True, text=True, timeout=150, check=False
    )
    assert ran.returncode == 0, ran.stdout


def fork_in_c() -> int:
    """As a host does that has no other threads: the interpreter would wait for one of them to take its lock, which it
    was asked for just before, and there is none in the child."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    time.sleep(0)
    try:
        return int(ctypes.PyDLL(None).fork())
    finally:
        sys.setswitchinterval(before)


def in_a_child(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in a forked child; a child that hangs is ended and fails the test."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    alarm = threading.Timer(20, os.kill, (child, 9))
    alarm.start()
    with os.fdopen(reading) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    alarm.cancel()
    assert text, "the child died or hung"
    return json.loads(text)


@pytest.fixture(params=["memory", "sqlite"])
def breaker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CircuitBreaker]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'circuits.db'}"
    config = CircuitBreakerConfig(failure_threshold=3, jitter=0, store_timeout=1.0)
    with contextlib.closing(CircuitBreaker("payment", config, store_from_url(url))) as breaker:
        yield breaker


def test_a_child_counts_from_nothing(breaker: CircuitBreaker) -> None:
    succeed_times(breaker, 5)

    def work() -> int:
        breaker.status()
        succeed_times(breaker, 1)
        return breaker.metrics().total_calls

    assert in_a_child(work) == 1


def test_a_child_can_call_although_a_lock_was_held_at_the_fork(breaker: CircuitBreaker) -> None:
    succeed_times(breaker, 1)
    with contextlib.ExitStack() as held:
        for lock in locks_of(breaker):
            held.enter_context(lock)
        assert in_a_child(lambda: breaker.call(answer)) == "answer"


def locks_of(breaker: CircuitBreaker) -> list[threading.Lock]:
    replica: Any = breaker._replica
    if isinstance(replica, MemoryReplica):
        return [replica._memory.lock, breaker._counts._lock]
    thread = replica._synchronizer.thread
    return [replica._state.lock, thread._lock, thread._inline, breaker._counts._lock]


def test_a_child_can_make_a_breaker_although_another_was_being_made_at_the_fork() -> None:
    registry = CircuitBreakerRegistry()
    registry.breaker("payment")
    with registry._lock:
        assert in_a_child(lambda: [breaker.name for breaker in registry]) == ["payment"]


@pytest.fixture
def join(tmp_path: Path) -> Callable[..., CircuitBreaker]:
    """Makes breakers that share a circuit in a file."""

    def join(**config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {"failure_threshold": 100, "store_timeout": 1.0, "refresh_interval": 0.01}
        store = store_from_url(f"sqlite:///{tmp_path / 'circuits.db'}")
        return CircuitBreaker("payment", CircuitBreakerConfig(**defaults | config), store)

    return join


def test_what_the_parent_counted_is_reported_once(join: Callable[..., CircuitBreaker]) -> None:
    with contextlib.closing(join(refresh_interval=30)) as breaker:
        succeed_times(breaker, 10)

        def work() -> None:
            breaker.status()
            succeed_times(breaker, 1)
            breaker.close()

        in_a_child(work)
        breaker.close()
    with contextlib.closing(join()) as watcher:
        assert watcher.status().success_count == 11


def test_parent_and_child_share_the_circuit_through_the_store(join: Callable[..., CircuitBreaker]) -> None:
    with contextlib.closing(join(failure_threshold=3)) as breaker:
        succeed_times(breaker, 1)
        in_a_child(lambda: fail_times(breaker, 3))
        threading.Event().wait(0.02)
        assert breaker.status().state is CircuitState.OPEN


def test_a_child_that_was_forked_inside_a_probe_does_not_belong_to_it(
    join: Callable[..., CircuitBreaker],
) -> None:
    with contextlib.closing(join(failure_threshold=1, recovery_timeout=0.01, jitter=0)) as breaker:
        fail_times(breaker, 1)
        threading.Event().wait(0.02)
        permits = breaker.call(
            in_a_child, lambda: [breaker.call(answer, fallback="refused") for _ in range(5)]
        )
    assert permits == ["refused"] * 5


def test_processes_have_names_of_their_own(breaker: CircuitBreaker) -> None:
    def process() -> str:
        breaker.status()
        replica: Any = breaker._replica
        switch = replica._switch if isinstance(replica, MemoryReplica) else replica._state.switch
        return str(switch._reporter_id)

    assert in_a_child(process) != process()


def test_a_failure_that_a_child_sees_first_counts(join: Callable[..., CircuitBreaker]) -> None:
    """The child uses its parent's copy until its first refresh, and does not lose what it counts meanwhile."""
    with contextlib.closing(join(refresh_interval=30)) as breaker:
        succeed_times(breaker, 2)

        def work() -> int:
            fail_times(breaker, 1)
            return breaker.status().failure_count

        assert in_a_child(work) == 1


def test_of_threads_that_notice_together_none_uses_what_is_not_begun_anew() -> None:
    class Slow:
        begun = 0

        def after_fork(self) -> None:
            threading.Event().wait(0.2)
            self.begun += 1

    slow = Slow()
    forking.remember(slow)

    def work() -> list[int]:
        def look(_: int) -> int:
            forking.notice()
            return slow.begun

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(look, range(4)))

    assert in_a_child(work) == [1] * 4
