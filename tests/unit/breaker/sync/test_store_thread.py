"""The thread on which a store is asked: interrupted, refused by the system, left by a listener."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from breakwall.breaker import CircuitBreaker, Event
from breakwall.breaker.sync.replica import SyncFuture
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import (
    OPENED,
    BlockableStore,
    FaultyStore,
    Fleet,
    Join,
    answer,
    back_in_touch,
    block,
    succeed_times,
)
from tests.waiting import wait_until


class TestSignals:
    """What a signal raises, a worker's soft time limit say, at any point of a call. The store is found again."""

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_between_the_request_and_its_synchronization(
        self, join: Join, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch, after: bool
    ) -> None:
        breaker = join()
        thread = breaker._replica._synchronizer.thread
        run = thread.run

        def interrupted(job: Callable[[], None], then: Callable[[], None], delay: float) -> None:
            if after:
                run(job, then, delay)
            raise KeyboardInterrupt

        clock.sleep(0.3)
        with monkeypatch.context() as patched:
            patched.setattr(thread, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        wait_until(lambda: back_in_touch(breaker, clock))

    def test_where_a_synchronization_begins_on_the_callers_own_thread(
        self, fleet: Fleet, clock: MonotonicClock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        breaker = fleet.breaker()
        succeed_times(breaker, 2)
        clock.sleep(0.3)
        with monkeypatch.context() as patched:
            patched.setattr(breaker._replica._state, "begin", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        before = store.operations
        succeed_times(breaker, 1)
        assert store.operations > before

    def test_no_call_waits_for_a_synchronization_that_was_dropped(
        self, join: Join, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A caller that shares the future continues at once, and does not count the store as slow."""
        breaker = join(store_timeout=20.0)
        synchronizer = breaker._replica._synchronizer
        shared: list[SyncFuture] = []

        def interrupted(*_: Callable[[], None]) -> None:
            shared.append(synchronizer.next())
            raise KeyboardInterrupt

        clock.sleep(0.3)
        with monkeypatch.context() as patched:
            patched.setattr(synchronizer.thread, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        assert shared[0] is not None
        assert shared[0].done()


class TestWithoutAThread:
    def test_calls_continue_when_no_thread_can_be_started_and_the_store_is_found_when_one_can(
        self, clock: MonotonicClock, blockable: BlockableStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with closing(CircuitBreaker("payment", store=blockable, clock=clock)) as breaker:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                for _ in range(5):
                    clock.sleep(0.3)
                    assert breaker.call(answer) == "answer"
                assert breaker.status().store_error == "NoThreadError"
            wait_until(lambda: back_in_touch(breaker, clock))

    def test_a_listener_that_exits_does_not_end_the_stores_thread(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join(store_timeout=0.001)
        threads: list[str] = []

        def leave(_: Event) -> None:
            threads.append(threading.current_thread().name)
            if threads[-1] == "breakwall-breaker":
                raise SystemExit

        breaker.listen(leave)
        block(blockable, clock, breaker)
        blockable.overwrite(OPENED)
        # Only the store's thread can announce what it finds.
        blockable.unblocked.set()
        wait_until(lambda: "breakwall-breaker" in threads)
        wait_until(lambda: back_in_touch(breaker, clock))
