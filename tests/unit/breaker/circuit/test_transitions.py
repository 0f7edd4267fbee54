"""The state machine, one property a test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import CallOutcome, CircuitBreakerConfig, CircuitState
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.circuit.transitions import (
    advance,
    decide,
    hold_open,
    record,
    record_probe,
    request_lease,
)
from breakwall.breaker.circuit.window import CounterDelta, Window

CONFIG = CircuitBreakerConfig(
    failure_threshold=3, recovery_timeout=30, timeout=10, half_open_max_calls=2, jitter=0.1, window=60
)
NOW = 1_700_000_000.0
JITTER = 0.0


def counted(circuit: Circuit, now: float = NOW, *, process: str = "a", **counts: int) -> Circuit:
    return record(circuit, CONFIG, now, JITTER, CounterDelta(circuit.generation, process, **counts))


def opened(now: float = NOW) -> Circuit:
    return counted(Circuit(), now, failures=3)


def half_open(*leases: str, now: float = NOW) -> Circuit:
    circuit = opened(now - 30)
    for lease_id in leases:
        circuit = request_lease(circuit, CONFIG, now, lease_id)
    return circuit


def ended(circuit: Circuit, lease_id: str, outcome: CallOutcome, now: float = NOW) -> Circuit:
    return record_probe(circuit, CONFIG, now, JITTER, lease_id, outcome)


class TestClosed:
    def test_a_new_circuit_lets_any_number_of_calls_through(self) -> None:
        decision = decide(Circuit(), CONFIG, NOW)
        assert (decision.state, decision.slots, decision.retry_after) == (CircuitState.CLOSED, None, 0.0)

    @pytest.mark.parametrize(
        ("counts", "state"),
        [
            ([{"failures": 2}], CircuitState.CLOSED),
            ([{"failures": 2}, {"failures": 1}], CircuitState.OPEN),
            ([{"successes": 4, "failures": 3}], CircuitState.CLOSED),
            ([{"successes": 3, "failures": 3}], CircuitState.OPEN),
            ([{"slow": 2, "failures": 1}], CircuitState.OPEN),
        ],
        ids=["below the threshold", "at the threshold", "below the rate", "at the rate", "slow calls count"],
    )
    def test_it_opens_at_the_threshold_and_the_failure_rate(
        self, counts: list[dict[str, int]], state: CircuitState
    ) -> None:
        circuit = Circuit()
        for delta in counts:
            circuit = counted(circuit, **delta)
        assert circuit.state is state

    def test_failures_older_than_the_window_do_not_count(self) -> None:
        old = counted(Circuit(), NOW, failures=2)
        assert counted(old, NOW + 61, failures=1).state is CircuitState.CLOSED

    def test_outcomes_of_another_generation_do_not_count(self) -> None:
        late = CounterDelta(generation=7, reporter_id="a", failures=3)
        assert record(Circuit(), CONFIG, NOW, JITTER, late).window == Circuit().window


class TestOpen:
    def test_it_refuses_and_says_for_how_long(self) -> None:
        decision = decide(opened(), CONFIG, NOW + 10)
        assert (decision.state, decision.slots, decision.retry_after) == (CircuitState.OPEN, 0, 20.0)

    def test_no_lease_is_granted(self) -> None:
        assert request_lease(opened(), CONFIG, NOW + 29.9, "p") == opened()

    def test_when_the_interval_is_over_it_offers_all_probes(self) -> None:
        decision = decide(opened(), CONFIG, NOW + 30)
        assert (decision.state, decision.slots, decision.retry_after) == (CircuitState.HALF_OPEN, 2, 0.0)

    def test_jitter_ends_the_interval_early_and_never_late(self) -> None:
        early = record(Circuit(), CONFIG, NOW, 1.0, CounterDelta(0, "a", failures=3))
        assert early.open_until == pytest.approx(NOW + 27)

    def test_it_remembers_how_many_failures_opened_it(self) -> None:
        assert opened().failure_count(CONFIG, NOW) == 3

    def test_failures_that_end_now_change_nothing(self) -> None:
        assert record(opened(), CONFIG, NOW + 1, JITTER, CounterDelta(0, "a", failures=1)) == opened()


class TestHalfOpen:
    def test_the_first_probe_begins_a_generation(self) -> None:
        circuit = half_open("p")
        assert (circuit.state, circuit.generation) == (CircuitState.HALF_OPEN, 2)

    def test_no_more_probes_than_configured_are_out_at_a_time(self) -> None:
        circuit = half_open("p", "q", "r")
        assert not circuit.holds("r")
        assert decide(circuit, CONFIG, NOW).slots == 0

    def test_a_refusal_says_to_wait_a_little(self) -> None:
        assert 0 < decide(half_open("p", "q"), CONFIG, NOW).retry_after <= 1

    def test_asking_twice_for_the_same_lease_takes_one_slot(self) -> None:
        assert len(half_open("p", "p").leases) == 1

    def test_enough_successes_close_it(self) -> None:
        one = ended(half_open("p", "q"), "p", CallOutcome.SUCCESS)
        assert one.state is CircuitState.HALF_OPEN
        assert ended(one, "q", CallOutcome.SUCCESS).state is CircuitState.CLOSED

    def test_a_success_leaves_no_more_slots_than_successes_are_missing(self) -> None:
        one = ended(half_open("p", "q"), "p", CallOutcome.SUCCESS)
        assert decide(one, CONFIG, NOW).slots == 0

    def test_one_failure_opens_it_for_twice_as_long(self) -> None:
        circuit = ended(half_open("p", "q"), "p", CallOutcome.FAILURE)
        assert (circuit.state, circuit.open_until) == (CircuitState.OPEN, NOW + 60)

    def test_the_open_interval_stops_growing_at_its_limit(self) -> None:
        circuit = replace(half_open("p"), reopenings=5000)
        assert ended(circuit, "p", CallOutcome.FAILURE).open_until == NOW + 120

    def test_it_stops_at_another_limit_where_one_is_configured(self) -> None:
        circuit, config = replace(half_open("p"), reopenings=5000), replace(CONFIG, max_recovery_timeout=45.0)
        failed = record_probe(circuit, config, NOW, JITTER, "p", CallOutcome.FAILURE)
        assert failed.open_until == NOW + 45

    def test_closing_forgets_that_the_interval_had_grown(self) -> None:
        grown = replace(half_open("p", "q"), reopenings=3)
        closed = ended(ended(grown, "p", CallOutcome.SUCCESS), "q", CallOutcome.SUCCESS)
        assert counted(closed, failures=3).open_until == NOW + 30

    def test_a_neutral_end_frees_the_slot(self) -> None:
        circuit = ended(half_open("p", "q"), "p", CallOutcome.NEUTRAL)
        assert decide(circuit, CONFIG, NOW).slots == 1

    def test_recording_a_probe_twice_changes_nothing(self) -> None:
        once = ended(half_open("p", "q"), "p", CallOutcome.SUCCESS)
        assert ended(once, "p", CallOutcome.SUCCESS) == once

    def test_a_dead_probers_slot_is_free_after_its_lease(self) -> None:
        circuit = half_open("p", "q")
        assert decide(circuit, CONFIG, NOW + CONFIG.lease_seconds).slots == 2

    def test_a_probe_whose_lease_has_expired_changes_nothing(self) -> None:
        circuit = half_open("p")
        late = NOW + CONFIG.lease_seconds
        assert ended(circuit, "p", CallOutcome.FAILURE, late) == circuit

    def test_a_maximum_that_is_lowered_meanwhile_leaves_one_more_success_to_close_it(self) -> None:
        """The new configuration reaches the processes one by one; some have seen enough successes already."""
        lowered = replace(CONFIG, half_open_max_calls=1)
        circuit = ended(half_open("p"), "p", CallOutcome.SUCCESS)
        assert (circuit.probes_succeeded, decide(circuit, lowered, NOW).slots) == (1, 1)
        probing = request_lease(circuit, lowered, NOW, "q")
        assert decide(probing, lowered, NOW).slots == 0
        assert (
            record_probe(probing, lowered, NOW, JITTER, "q", CallOutcome.SUCCESS).state is CircuitState.CLOSED
        )

    def test_a_maximum_that_is_lowered_below_the_probes_that_are_out_lets_no_more_out(self) -> None:
        lowered = replace(CONFIG, half_open_max_calls=1)
        decision = decide(half_open("p", "q"), lowered, NOW)
        assert decision.slots == 0
        assert 0 < decision.retry_after <= 1

    def test_a_lease_outlives_the_bound_on_the_call(self) -> None:
        assert half_open("p").leases[0].expires_at > NOW + CONFIG.timeout


class TestHeldOpen:
    def test_a_closed_circuit_opens_until_the_service_wants_to_be_asked_again(self) -> None:
        assert decide(hold_open(Circuit(), NOW, 120), CONFIG, NOW).retry_after == 120

    def test_an_open_circuit_is_never_shortened(self) -> None:
        assert hold_open(opened(), NOW, 5).open_until == NOW + 30


class TestSuspicion:
    """One process fails while another succeeds: its successes may only not have arrived yet."""

    def disputed(self) -> Circuit:
        return counted(counted(Circuit(), process="b", successes=1), failures=3)

    def test_it_does_not_open_at_once(self) -> None:
        assert self.disputed().state is CircuitState.CLOSED

    def test_it_opens_when_it_was_not_refuted_for_a_refresh_interval(self) -> None:
        later = NOW + CONFIG.refresh_interval
        assert advance(self.disputed(), CONFIG, later).state is CircuitState.OPEN

    def test_it_opened_when_the_interval_was_over_and_not_when_it_was_noticed(self) -> None:
        ripe = NOW + CONFIG.refresh_interval
        looks = [advance(self.disputed(), CONFIG, ripe + later) for later in (0, 1, 20)]
        assert {circuit.opened_at for circuit in looks} == {ripe}
        assert len({circuit.open_until for circuit in looks}) == 1

    def test_successes_that_arrive_refute_it(self) -> None:
        refuted = counted(self.disputed(), process="b", successes=9)
        assert advance(refuted, CONFIG, NOW + 1).state is CircuitState.CLOSED
        assert refuted.window.suspected_at is None

    def test_a_second_process_that_fails_confirms_it_at_once(self) -> None:
        assert counted(self.disputed(), process="c", failures=1).state is CircuitState.OPEN


class TestRecentCalls:
    """An outage after a busy minute."""

    def busy(self) -> Circuit:
        return counted(Circuit(), successes=1000)

    def test_the_latest_calls_open_it_although_the_window_is_full_of_successes(self) -> None:
        assert counted(self.busy(), NOW + 5, failures=20).state is CircuitState.OPEN

    def test_a_few_failures_do_not(self) -> None:
        assert counted(self.busy(), NOW + 5, failures=19).state is CircuitState.CLOSED

    def test_every_transition_clears_the_window(self) -> None:
        assert opened().window == Window()


class TestNewestCalls:
    """An outage in the middle of a busy twentieth of the window, which began with `NOW` and is 3 s long."""

    INTERVAL = CONFIG.refresh_interval
    LAST_BATCH = NOW + 4 * INTERVAL

    def busy(self) -> Circuit:
        """Two processes that report 100 calls each interval."""
        circuit = Circuit()
        for step in range(5):
            at = NOW + step * self.INTERVAL
            circuit = counted(counted(circuit, at, successes=100), at, process="b", successes=100)
        return circuit

    def fail(self, circuit: Circuit, intervals: float, failures: int) -> CircuitState:
        """Two processes' failures, so many intervals after the last batch."""
        at = self.LAST_BATCH + intervals * self.INTERVAL
        return counted(counted(circuit, at, failures=1), at, process="b", failures=failures - 1).state

    def test_failures_alone_for_an_interval_and_a_half_open_it(self) -> None:
        assert self.fail(self.busy(), 1.5, CONFIG.recent_calls) is CircuitState.OPEN

    def test_fewer_than_the_recent_calls_do_not(self) -> None:
        assert self.fail(self.busy(), 1.5, CONFIG.recent_calls - 1) is CircuitState.CLOSED

    def test_failures_at_once_do_not_outweigh_batches_that_are_an_interval_apart(self) -> None:
        """Whenever in the interval they come, and though two processes confirm each other."""
        for part in range(1, 20):
            assert self.fail(self.busy(), part / 20, 100) is CircuitState.CLOSED

    def test_a_clock_that_steps_back_does_not_keep_them_for_ever(self) -> None:
        late = counted(Circuit(), NOW + 2.9, successes=1000)
        assert counted(late, NOW + 1, failures=20).state is CircuitState.OPEN

    def test_they_never_go_back_further_than_a_few_twentieths_of_the_window(self) -> None:
        config = replace(CONFIG, refresh_interval=1000.0, minimum_calls=20)
        old = record(Circuit(), config, NOW, JITTER, CounterDelta(0, "a", failures=19))
        late = record(old, config, NOW + 2 * config.window, JITTER, CounterDelta(0, "a", failures=1))
        assert late.state is CircuitState.CLOSED

    def test_a_burst_at_the_start_of_a_twentieth_does_not_outweigh_batches_that_are_on_the_way(self) -> None:
        """20 failures of two processes among hundreds of successes; the new twentieth holds the failures only."""
        start = NOW + 31
        circuit = counted(self.busy(), start - 0.1, successes=100)
        circuit = counted(circuit, start + 0.01, failures=10)
        assert counted(circuit, start + 0.01, process="b", failures=10).state is CircuitState.CLOSED


class TestChangedWindow:
    """A new configuration reaches the processes one by one."""

    WIDE = replace(CONFIG, window=60.0)
    NARROW = replace(CONFIG, window=10.0)

    def record(self, circuit: Circuit, config: CircuitBreakerConfig, at: float, **counts: int) -> Circuit:
        return record(circuit, config, at, JITTER, CounterDelta(circuit.generation, "a", **counts))

    @pytest.mark.parametrize(("before", "after"), [(NARROW, WIDE), (WIDE, NARROW)])
    def test_the_window_slides_on(self, before: CircuitBreakerConfig, after: CircuitBreakerConfig) -> None:
        circuit = self.record(Circuit(), before, NOW, successes=10_000)
        circuit = self.record(circuit, after, NOW + 1, successes=1)
        assert circuit.window.total(after, NOW + 1).successes == 10_001
        assert circuit.window.total(after, NOW + 1 + after.window).successes == 0

    def test_processes_with_the_old_and_with_the_new_one_count_together(self) -> None:
        circuit = Circuit()
        for second, config in enumerate([self.WIDE, self.NARROW, self.WIDE]):
            circuit = self.record(circuit, config, NOW + second, failures=1)
        assert circuit.state is CircuitState.OPEN

    def test_it_never_holds_many_more_than_twenty_buckets(self) -> None:
        circuit = Circuit()
        for step in range(2000):
            config = self.WIDE if step % 7 else self.NARROW
            circuit = self.record(circuit, config, NOW + step / 10, successes=1)
        assert len(circuit.window.buckets) <= 40

    def test_processes_whose_clocks_differ_by_an_answers_time_lose_nothing(self) -> None:
        start = NOW + 4
        circuit = self.record(Circuit(), self.WIDE, start + 0.01, failures=1)
        circuit = self.record(circuit, self.WIDE, start - 0.01, failures=1)
        assert self.record(circuit, self.WIDE, start + 0.01, failures=1).state is CircuitState.OPEN


class TestMinimumCalls:
    def test_fewer_outcomes_than_that_never_open_it(self) -> None:
        config = replace(CONFIG, minimum_calls=10)
        few = record(Circuit(), config, NOW, JITTER, CounterDelta(0, "a", failures=9))
        assert few.state is CircuitState.CLOSED
        assert record(few, config, NOW, JITTER, CounterDelta(0, "a", failures=1)).state is CircuitState.OPEN
