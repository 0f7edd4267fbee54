"""A store that hangs, and what is left of the silence when it answers again."""

from __future__ import annotations

from breakwall.breaker import CircuitState
from breakwall.breaker.sync.replica_state import StoreStatus
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import (
    EPOCH,
    BlockableStore,
    Join,
    answer,
    back_in_touch,
    block,
    events_of,
    fail_times,
    succeed_times,
    unblock,
)
from tests.waiting import wait_until


class TestOutcomesAreCountedOnce:
    def test_while_another_circuit_keeps_the_thread_busy(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        ours, other = join(), join("shipping")
        fail_times(ours, 2)
        wait_until(lambda: ours.status().failure_count == 2)
        block(blockable, clock, other)
        clock.sleep(0.3)
        succeed_times(ours, 1)
        assert not ours.status().store_ok
        assert (ours.status().failure_count, ours.status().state) == (2, CircuitState.CLOSED)


class TestAfterALongSilence:
    def test_old_failures_do_not_open_the_fleets_circuit(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        """They were counted in the first second; the local circuit has opened, recovered and stayed closed."""
        breaker = join(failure_threshold=3, recent_calls=3)
        block(blockable, clock, breaker)
        fail_times(breaker, 3)
        assert breaker.status().state is CircuitState.OPEN
        clock.sleep(30)
        for _ in range(3600):
            clock.sleep(1)
            succeed_times(breaker, 1)
        unblock(blockable, clock, breaker)
        for _ in range(5):
            clock.sleep(0.3)
            assert breaker.call(answer) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_nor_do_those_that_were_on_their_way(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join(failure_threshold=4)
        succeed_times(breaker, 3)
        blockable.unblocked.clear()
        fail_times(breaker, 3)
        clock.sleep(600)
        # Another process has written meanwhile: what is on its way loses its race, and must not run another.
        blockable.overwrite('{"v":1,"s":"closed"}')
        unblock(blockable, clock, breaker)
        clock.sleep(0.3)
        succeed_times(breaker, 2)
        assert breaker.status().failure_count == 0

    def test_nor_do_those_that_waited_behind_another_circuits(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        ours, other = join(), join("shipping")
        block(blockable, clock, other)
        fail_times(ours, 2)
        assert ours._replica._state.status is StoreStatus.SLOW
        clock.sleep(600)
        blockable.unblocked.set()
        wait_until(lambda: ours._replica._state.status is not StoreStatus.SLOW)
        wait_until(lambda: back_in_touch(ours, clock))
        clock.sleep(0.3)
        succeed_times(ours, 2)
        assert ours.status().failure_count == 0

    def test_a_circuit_that_opened_while_an_answer_was_on_its_way_stays_open(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join()
        succeed_times(breaker, 3)
        blockable.unblocked.clear()
        fail_times(breaker, 1)
        clock.sleep(5)
        fail_times(breaker, 5)
        assert breaker.status().state is CircuitState.OPEN
        unblock(blockable, clock, breaker)
        assert breaker.status().state is CircuitState.OPEN

    def test_reports_that_others_had_sent_before_they_noticed_do_not_close_it(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join()
        block(blockable, clock, breaker)
        clock.sleep(0.1)
        sent = round(1000 * (EPOCH + clock.now))
        clock.sleep(5)
        fail_times(breaker, 9)
        blockable.overwrite(f'{{"v":1,"s":"closed","ws":[["other",{sent}]]}}')
        unblock(blockable, clock, breaker)
        assert breaker.status().state is CircuitState.OPEN

    def test_a_circuit_that_opened_meanwhile_stays_open(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join()
        block(blockable, clock, breaker)
        clock.sleep(5)
        fail_times(breaker, 9)
        assert breaker.status().state is CircuitState.OPEN
        unblock(blockable, clock, breaker)
        assert breaker.status().state is CircuitState.OPEN

    def test_it_is_said_to_be_lost(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join()
        heard = events_of(breaker)
        block(blockable, clock, breaker)
        assert heard == []
        clock.sleep(1)
        succeed_times(breaker, 1)
        assert [type(event).__name__ for event in heard] == ["StoreLost"]

    def test_what_waits_does_not_grow(
        self, join: Join, blockable: BlockableStore, clock: MonotonicClock
    ) -> None:
        breaker = join(failure_threshold=10_000)
        block(blockable, clock, breaker)
        fail_times(breaker, 500)
        assert len(breaker._replica._state.pending.unconfirmed) <= 2
