"""An operator's override that a store may not have got: it is stored or an error, and is not set later."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from breakwall.breaker import CircuitBreaker, Event, StoreLostError, Transition, operator_commands
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import (
    OPENED,
    BlockableStore,
    FaultyStore,
    Join,
    answer,
    block,
    succeed_times,
    unblock,
)
from tests.waiting import wait_until


class TestAnOperatorsOverride:
    def test_it_is_stored_although_the_synchronization_before_it_fails(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join()
        clock.sleep(0.3)
        blockable.unblocked.clear()
        blockable.came.clear()
        blockable.breaks_next = True
        caller = threading.Thread(target=breaker.call, args=(answer,))
        caller.start()
        assert blockable.came.wait(60)
        threading.Timer(0.1, blockable.unblocked.set).start()
        breaker.force_open("maintenance", "kim")
        caller.join()
        assert '"kim"' in blockable._texts["payment"][1]

    def test_it_is_an_error_when_a_crowd_kept_it_out_and_is_not_set_later(
        self, clock: MonotonicClock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker = CircuitBreaker("payment", store=store, clock=clock)
        succeed_times(breaker, 2)
        with monkeypatch.context() as patched:
            patched.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))
            with pytest.raises(StoreLostError):
                breaker.force_open("maintenance", "kim")
        for _ in range(20):
            clock.sleep(0.3)
            succeed_times(breaker, 1)
        assert breaker.status().override is None

    def test_it_is_not_set_later_when_the_store_hung_before_it_was_sent(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker = join()
        block(blockable, clock, breaker)
        monkeypatch.setattr(operator_commands, "CONFIRM_TIMEOUT", 0.05)
        with pytest.raises(StoreLostError):
            breaker.force_open("maintenance", "kim")
        assert not breaker._replica._state.pending
        unblock(blockable, clock, breaker)
        clock.sleep(0.3)
        assert breaker.call(answer) == "answer"
        assert breaker.status().override is None

    def test_nor_when_it_was_taken_along_by_a_synchronization_that_hung_before_it_wrote(
        self, clock: MonotonicClock, blockable: BlockableStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operator_commands, "CONFIRM_TIMEOUT", 0.05)
        blockable.unblocked.clear()
        with closing(CircuitBreaker("payment", store=blockable, clock=clock)) as breaker:
            with pytest.raises(StoreLostError):
                breaker.force_open("maintenance", "kim")
            unblock(blockable, clock, breaker)
            assert breaker.status().override is None

    @pytest.mark.parametrize("breaks", [False, True])
    def test_given_by_a_listener_on_the_stores_thread_it_is_stored_or_an_error(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock, breaks: bool
    ) -> None:
        breaker = join()
        heard: list[str] = []

        def forbid(event: Event) -> None:
            if isinstance(event, Transition):
                blockable.breaks_next = breaks
                try:
                    breaker.force_open("the circuit has opened", "kim")
                    heard.append("stored")
                except StoreLostError:
                    heard.append("lost")

        block(blockable, clock, breaker)
        breaker.listen(forbid)
        blockable.overwrite(OPENED)
        # Only the store's thread can announce what it finds.
        blockable.unblocked.set()
        wait_until(lambda: bool(heard))
        assert heard == ["lost" if breaks else "stored"]
        assert ('"kim"' in blockable._texts["payment"][1]) is not breaks
