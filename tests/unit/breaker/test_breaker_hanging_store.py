"""A store that answers late, or never, or from which no thread can be sent: what waits for it, and how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from breaker_doubles import EPOCH, Clock, FaultyStore, Fleet, answer, fail_times, succeed_times

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerError,
    CircuitState,
    Event,
    StoreLostError,
    Transition,
)
from breakwall.breaker import breaker as breaker_module
from breakwall.breaker.contact import Contact
from breakwall.breaker.courier import Ticket
from breakwall.breaker.stores import Record
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until


class GatedStore(FaultyStore):
    """A remote store whose gate can be shut: what has come to it then waits there.

    ``breaks_next`` makes the next operation wait at the gate, and fail when that opens.
    """

    remote = True

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.gate = threading.Event()
        self.gate.set()
        self.came = threading.Event()
        self.breaks_next = False

    def _check(self) -> None:
        breaks, self.breaks_next = self.breaks_next, False
        self.came.set()
        assert self.gate.wait(20)
        if breaks:
            raise ConnectionError("reset by peer")
        super()._check()


@pytest.fixture
def gated(clock: Clock) -> GatedStore:
    return GatedStore(clock)


@pytest.fixture
def join(clock: Clock, gated: GatedStore) -> Iterator[Callable[..., CircuitBreaker]]:
    """Makes breakers in touch with the gated store."""
    joined: list[CircuitBreaker] = []

    def join(name: str = "payment", **config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {"failure_threshold": 3, "jitter": 0.0}
        breaker = CircuitBreaker(name, CircuitBreakerConfig(**defaults | config), gated, clock=clock)
        joined.append(breaker)
        wait_until(lambda: breaker.status().store_ok)
        return breaker

    yield join
    gated.gate.set()
    for breaker in joined:
        breaker.close()


def shut(gated: GatedStore, clock: Clock, breaker: CircuitBreaker) -> None:
    """Shut the gate, and have a call find it shut."""
    gated.gate.clear()
    clock.sleep(0.3)
    succeed_times(breaker, 1)
    assert not breaker.status().store_ok


def back_in_touch(breaker: CircuitBreaker, clock: Clock) -> bool:
    clock.sleep(0.3)
    return breaker.status().store_ok


Join = Callable[..., CircuitBreaker]
OPENED = '{"v":1,"s":"open","g":9,"oa":1700000000000,"ou":1800000000000}'


class TestAnOperatorsWord:
    def test_it_is_stored_although_the_exchange_before_it_fails(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        breaker = join()
        clock.sleep(0.3)
        gated.gate.clear()
        gated.came.clear()
        gated.breaks_next = True
        caller = threading.Thread(target=breaker.call, args=(answer,))
        caller.start()
        assert gated.came.wait(5)
        threading.Timer(0.1, gated.gate.set).start()
        breaker.force_open("maintenance", "kim")
        caller.join()
        assert '"kim"' in gated._texts["payment"][1]

    def test_it_is_an_error_when_a_crowd_kept_it_out_and_is_not_set_later(
        self, clock: Clock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
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
        self, join: Join, gated: GatedStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker = join()
        shut(gated, clock, breaker)
        monkeypatch.setattr(breaker_module, "OVERRIDE_PATIENCE", 0.05)
        with pytest.raises(StoreLostError):
            breaker.force_open("maintenance", "kim")
        assert not breaker._replica.belief.outbox
        gated.gate.set()
        wait_until(lambda: back_in_touch(breaker, clock))
        clock.sleep(0.3)
        assert breaker.call(answer) == "answer"
        assert breaker.status().override is None

    def test_nor_when_it_was_taken_along_by_an_exchange_that_hung_before_it_wrote(
        self, clock: Clock, gated: GatedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(breaker_module, "OVERRIDE_PATIENCE", 0.05)
        gated.gate.clear()
        with CircuitBreaker("payment", store=gated, clock=clock) as breaker:
            with pytest.raises(StoreLostError):
                breaker.force_open("maintenance", "kim")
            gated.gate.set()
            wait_until(lambda: back_in_touch(breaker, clock))
            assert breaker.status().override is None

    @pytest.mark.parametrize("breaks", [False, True])
    def test_given_by_a_listener_on_the_stores_thread_it_is_stored_or_an_error(
        self, join: Join, gated: GatedStore, clock: Clock, breaks: bool
    ) -> None:
        breaker = join()
        heard: list[str] = []

        def forbid(event: Event) -> None:
            if isinstance(event, Transition):
                gated.breaks_next = breaks
                try:
                    breaker.force_open("the circuit has opened", "kim")
                    heard.append("stored")
                except StoreLostError:
                    heard.append("lost")

        shut(gated, clock, breaker)
        breaker.listen(forbid)
        gated._texts["payment"] = ("another version", OPENED)
        # Nobody but the store's thread is there to announce what it finds.
        gated.gate.set()
        wait_until(lambda: bool(heard))
        assert heard == ["lost" if breaks else "stored"]
        assert ('"kim"' in gated._texts["payment"][1]) is not breaks


class TestOutcomesAreCountedOnce:
    def test_while_another_circuit_keeps_the_thread_busy(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        ours, other = join(), join("shipping")
        fail_times(ours, 2)
        wait_until(lambda: ours.status().failure_count == 2)
        shut(gated, clock, other)
        clock.sleep(0.3)
        succeed_times(ours, 1)
        assert not ours.status().store_ok
        assert (ours.status().failure_count, ours.status().state) == (2, CircuitState.CLOSED)


class TestAfterALongSilence:
    def test_old_failures_do_not_open_the_fleets_circuit(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        """They were counted in the first second; the local circuit has opened, recovered and stayed closed."""
        breaker = join(failure_threshold=3, recent_calls=3)
        shut(gated, clock, breaker)
        fail_times(breaker, 3)
        assert breaker.status().state is CircuitState.OPEN
        clock.sleep(30)
        for _ in range(3600):
            clock.sleep(1)
            succeed_times(breaker, 1)
        gated.gate.set()
        wait_until(lambda: back_in_touch(breaker, clock))
        for _ in range(5):
            clock.sleep(0.3)
            assert breaker.call(answer) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_nor_do_those_that_were_on_their_way(self, join: Join, gated: GatedStore, clock: Clock) -> None:
        breaker = join(failure_threshold=4)
        succeed_times(breaker, 3)
        gated.gate.clear()
        fail_times(breaker, 3)
        clock.sleep(600)
        # Somebody else has written meanwhile: what is on its way loses its race, and must not run another.
        gated._texts["payment"] = ("another version", '{"v":1,"s":"closed"}')
        gated.gate.set()
        wait_until(lambda: back_in_touch(breaker, clock))
        clock.sleep(0.3)
        succeed_times(breaker, 2)
        assert breaker.status().failure_count == 0

    def test_nor_do_those_that_waited_behind_another_circuits(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        ours, other = join(), join("shipping")
        shut(gated, clock, other)
        fail_times(ours, 2)
        assert ours._replica.belief.contact is Contact.SLOW
        clock.sleep(600)
        gated.gate.set()
        wait_until(lambda: ours._replica.belief.contact is not Contact.SLOW)
        wait_until(lambda: back_in_touch(ours, clock))
        clock.sleep(0.3)
        succeed_times(ours, 2)
        assert ours.status().failure_count == 0

    def test_a_circuit_that_opened_while_an_answer_was_on_its_way_stays_open(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        breaker = join()
        succeed_times(breaker, 3)
        gated.gate.clear()
        fail_times(breaker, 1)
        clock.sleep(5)
        fail_times(breaker, 5)
        assert breaker.status().state is CircuitState.OPEN
        gated.gate.set()
        wait_until(lambda: back_in_touch(breaker, clock))
        assert breaker.status().state is CircuitState.OPEN

    def test_reports_that_others_had_sent_before_they_noticed_do_not_close_it(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        breaker = join()
        shut(gated, clock, breaker)
        clock.sleep(0.1)
        sent = round(1000 * (EPOCH + clock.now))
        clock.sleep(5)
        fail_times(breaker, 9)
        gated._texts["payment"] = ("another version", f'{{"v":1,"s":"closed","ws":[["other",{sent}]]}}')
        gated.gate.set()
        wait_until(lambda: back_in_touch(breaker, clock))
        assert breaker.status().state is CircuitState.OPEN

    def test_a_circuit_that_opened_meanwhile_stays_open(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        breaker = join()
        shut(gated, clock, breaker)
        clock.sleep(5)
        fail_times(breaker, 9)
        assert breaker.status().state is CircuitState.OPEN
        gated.gate.set()
        wait_until(lambda: back_in_touch(breaker, clock))
        assert breaker.status().state is CircuitState.OPEN

    def test_it_is_said_to_be_lost(self, join: Join, gated: GatedStore, clock: Clock) -> None:
        breaker = join()
        heard: list[Event] = []
        breaker.listen(heard.append)
        shut(gated, clock, breaker)
        assert heard == []
        clock.sleep(1)
        succeed_times(breaker, 1)
        assert [type(event).__name__ for event in heard] == ["StoreLost"]

    def test_what_waits_does_not_grow(self, join: Join, gated: GatedStore, clock: Clock) -> None:
        breaker = join(failure_threshold=10_000)
        shut(gated, clock, breaker)
        fail_times(breaker, 500)
        assert len(breaker._replica.belief.outbox.unconfirmed) <= 2


def test_local_probes_leave_nothing_to_be_sent(clock: Clock, store: FaultyStore) -> None:
    breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=1), store, clock=clock)
    store.down = True
    for _ in range(50):
        fail_times(breaker, 1)
        clock.sleep(31)
        succeed_times(breaker, 1)
    assert breaker.status().open_count == 50
    assert not breaker._replica.belief.outbox


def test_a_probe_whose_lease_the_store_may_hold_is_settled_when_it_is_back(
    clock: Clock, store: FaultyStore
) -> None:
    """The lease was granted, the reply was lost, and the probe ended before the store was back."""
    config = CircuitBreakerConfig(failure_threshold=1, jitter=0.0)
    breaker = CircuitBreaker("payment", config, store, clock=clock)
    fail_times(breaker, 1)
    clock.sleep(30)
    breaker.status()
    store.loses_replies = True
    probe = breaker.acquire()
    store.loses_replies, store.down = False, True
    probe.record_success()
    store.down = False
    clock.sleep(0.3)
    succeed_times(breaker, 1)
    assert breaker.status().store_ok
    watcher = CircuitBreaker("payment", config, store, clock=clock)
    assert watcher.status().state is CircuitState.CLOSED


class TestOneDeadline:
    def test_an_admission_with_two_exchanges_waits_as_long_as_one_with_one(
        self, gated: GatedStore, clock: Clock
    ) -> None:
        """To refresh, and to get a lease; each takes 200 ms of the 250 that there are in all."""
        config = CircuitBreakerConfig(
            failure_threshold=1, store_timeout=0.25, recovery_timeout=0.3, jitter=0.0
        )
        with CircuitBreaker("payment", config, SlowStore()) as breaker:
            fail_times(breaker, 1)
            wait_until(lambda: breaker.status().state is CircuitState.HALF_OPEN)
            time.sleep(0.25)
            watch = Stopwatch()
            assert breaker.acquire().is_probe
            assert watch.seconds < 0.36

    def test_leaving_a_store_that_hangs_takes_a_second(
        self, gated: GatedStore, join: Join, clock: Clock
    ) -> None:
        breaker = join()
        clock.sleep(0.1)
        succeed_times(breaker, 1)
        gated.gate.clear()
        breaker._clock = breaker._replica._clock = time.monotonic
        watch = Stopwatch()
        breaker.close()
        assert 0.8 < watch.seconds < 1.5


class SlowStore(FaultyStore):
    """Each operation takes a fifth of a second of real time."""

    remote = True

    def __init__(self) -> None:
        super().__init__(Clock())
        self._clock = time.time

    def _check(self) -> None:
        time.sleep(0.2)


class TestStaleness:
    """The time, and the number of calls at 100 a second, for which an opening elsewhere is not noticed."""

    def let_through(self, breaker: CircuitBreaker, clock: Clock) -> int:
        for calls in range(1000):
            try:
                breaker.call(answer)
            except CircuitBreakerError:
                return calls
            clock.sleep(0.01)
        raise AssertionError("it was never noticed")

    def test_with_the_defaults_it_is_20_calls(self, clock: Clock, store: FaultyStore) -> None:
        breaker = CircuitBreaker("payment", store=store, clock=clock)
        succeed_times(breaker, 2)
        store._texts["payment"] = ("another version", OPENED)
        assert self.let_through(breaker, clock) <= 20

    def test_with_a_store_as_slow_as_a_call_waits_for_it_is_25_calls(
        self, clock: Clock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Others go on calling, ten every 100 ms, while one waits for the answer."""
        breaker = CircuitBreaker("payment", store=store, clock=clock)
        succeed_times(breaker, 2)
        load, beside = store.load, []

        def slow_load(name: str) -> Record:
            for _ in range(5):
                beside.append("a call")
                clock.sleep(0.01)
            return load(name)

        monkeypatch.setattr(store, "load", slow_load)
        store._texts["payment"] = ("another version", OPENED)
        assert self.let_through(breaker, clock) + len(beside) <= 25

    def test_lost_races_for_the_store_do_not_make_it_longer(
        self, clock: Clock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=50), store, clock=clock)
        succeed_times(breaker, 2)
        monkeypatch.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))
        for _ in range(20):
            clock.sleep(0.3)
            fail_times(breaker, 1)
        store._texts["payment"] = ("another version", OPENED)
        assert self.let_through(breaker, clock) <= 20

    def test_lost_races_keep_outcomes_back_for_a_while(
        self, clock: Clock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A crowd is not thinned by those who come back at once."""
        breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=5000), store, clock=clock)
        succeed_times(breaker, 2)
        swaps: list[float] = []
        looks: list[float] = []
        load = store.load

        def look(name: str) -> Record:
            looks.append(clock.now)
            return load(name)

        def lose(name: str, seen: str, version: str, text: str) -> tuple[bool, Record]:
            swaps.append(clock.now)
            return False, load(name)

        monkeypatch.setattr(store, "swap", lose)
        monkeypatch.setattr(store, "load", look)
        for _ in range(1000):
            clock.sleep(0.01)
            fail_times(breaker, 1)
        assert len(set(swaps)) <= 10
        assert len(looks) <= 51


class TestSignals:
    """What a signal raises, a worker's soft time limit say, at any point of a call. The store is found again."""

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_between_the_ticket_and_its_exchange(
        self, join: Join, clock: Clock, monkeypatch: pytest.MonkeyPatch, after: bool
    ) -> None:
        breaker = join()
        link = breaker._replica._courier._link
        run = link.run

        def interrupted(job: Callable[[], None], then: Callable[[], None]) -> None:
            if after:
                run(job, then)
            raise KeyboardInterrupt

        clock.sleep(0.3)
        with monkeypatch.context() as patched:
            patched.setattr(link, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        wait_until(lambda: back_in_touch(breaker, clock))

    def test_where_an_exchange_begins_that_the_callers_own_thread_has(
        self, fleet: Fleet, clock: Clock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        breaker = fleet.breaker()
        succeed_times(breaker, 2)
        clock.sleep(0.3)
        with monkeypatch.context() as patched:
            patched.setattr(breaker._replica.belief, "pack", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        before = store.operations
        succeed_times(breaker, 1)
        assert store.operations > before

    def test_nobody_waits_for_an_exchange_that_was_dropped(
        self, join: Join, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who shares the ticket goes on at once, and does not take the store for slow."""
        breaker = join(store_timeout=20.0)
        courier = breaker._replica._courier
        shared: list[Ticket | None] = []

        def interrupted(*_: Callable[[], None]) -> None:
            shared.append(courier.ticket())
            raise KeyboardInterrupt

        clock.sleep(0.3)
        with monkeypatch.context() as patched:
            patched.setattr(courier._link, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        assert shared[0] is not None
        assert shared[0].done()


class TestWithoutAThread:
    def test_calls_go_on_when_no_thread_can_be_started_and_the_store_is_found_when_one_can(
        self, clock: Clock, gated: GatedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with CircuitBreaker("payment", store=gated, clock=clock) as breaker:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                for _ in range(5):
                    clock.sleep(0.3)
                    assert breaker.call(answer) == "answer"
                assert breaker.status().store_error == "NoThreadError"
            wait_until(lambda: back_in_touch(breaker, clock))

    def test_a_listener_that_exits_does_not_end_the_stores_thread(
        self, join: Join, gated: GatedStore, clock: Clock
    ) -> None:
        breaker = join(store_timeout=0.001)
        threads: list[str] = []

        def leave(_: Event) -> None:
            threads.append(threading.current_thread().name)
            if threads[-1] == "breakwall-breaker":
                raise SystemExit

        breaker.listen(leave)
        shut(gated, clock, breaker)
        gated._texts["payment"] = ("another version", OPENED)
        # Nobody but the store's thread is there to announce what it finds.
        gated.gate.set()
        wait_until(lambda: "breakwall-breaker" in threads)
        wait_until(lambda: back_in_touch(breaker, clock))
